"""`voiceagent doctor`: what was measured, judged; each finding says what to change."""
