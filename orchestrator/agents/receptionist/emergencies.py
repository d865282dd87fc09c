"""What callers say when a life may be in danger.

A needless warning costs a sentence, a missing one may cost a life. So everything that may mean danger counts, unless
its wording is harmless ("a stroke of luck"), it is denied ("not an emergency"), or it happened long ago.
"""

import re

_WHOSE = r"(my|his|her|their|our|the)"
_SELF = r"(myself|himself|herself|themselves|themself|yourself)"
_DANGERS = (
    # heart and breath
    r"(chest|heart) (really |still |suddenly )?(pains?|hurts?|hurting|feels|tightness|pressure|stopped|has stopped)",
    r"(chest|heart) is (so |very |really )?(tight|heavy|hurting|in pain|racing|not beating)",
    rf"(pains?|pressure|tightness|weight|burning|squeezing|ache) (in|on|across) {_WHOSE} (chest|heart)",
    r"cardiac arrest|no pulse|not (have )?a pulse",
    r"(can'?t|cannot|can not|couldn'?t|hardly|barely|unable to|struggl(e|es|ing) to|fight(s|ing) to|(hard"
    r"|difficult) to)"
    r" (really |even )?(breathe|get (any |enough )?(air|breath)|catch (my|his|her) breath)",
    r"(trouble|difficult(y|ies)|problems?|hard time|hard|gasp(s|ing)|fighting|struggling|short(ness)?|out)"
    r" (with |for |of |in )?(breath|breathing|air|to breathe)",
    r"(not|isn'?t|stopped|stops|barely|hardly|ain'?t) (really )?breathing|(turning|turned|going|gone) blue",
    r"chok(e|es|ed|ing)|suffocat(es|ing)|drown(s|ed|ing)",
    # blood
    r"bleed(s|ing)|blood everywhere",
    r"(losing|lost|loses|cough\w{0,3}( up)?|vomit\w{0,3}|throwing up|spitting|covered in|full of)"
    r" (up )?(a lot of |so much |too much |lots of )?blood",
    # life itself
    rf"suicid(e|al)|self harm|(kill|killing|hang|hanging|shoot|shooting) {_SELF}",
    rf"(want|wants|going|gonna|might|will|thinking|thoughts|need|plan\w{{0,4}}|afraid)\b.{{0,20}}\b"
    rf"(hurt|hurting|harm|harming|cut|cutting) {_SELF}",
    rf"(end|ending|take|taking|ended) {_WHOSE} (own )?life|end(ing)? it all|(want|wants|going|ready) to die"
    rf"|better off dead"
    r"|wish(es)? (i|he|she) (was|were) dead",
    r"(don'?t|doesn'?t|not|no longer) want to (live|be alive|be here any ?more|wake up)|no (reason|point)( in"
    r"| to)? liv(e|ing)"
    r"|can'?t go on (living|any ?more|like this)|tired of living",
    r"dying|life threatening|life (or|and) death|life is in danger",
    # poison
    r"poison(ed|ing)?|too many (of )?(\w{1,20} )?(pills|tablets|painkillers|meds|sleeping pills)|whole bottle of"
    r"|(swallow\w{0,3}|drank|drunk|ate|eaten|inhaled) (some |an? |the |my )?(\w{1,20} )?"
    r"(bleach|batter(y|ies)|detergent|pills|antifreeze|chemicals|magnets?|cleaner|disinfectant)",
    r"carbon monoxide|gas leak|smell(s|ing)? (of |like )?gas",
    # consciousness and stroke
    r"unconscious|unresponsive|pass(ed|es|ing) out|black(ed|ing) out|convuls\w{1,5}|(having|has) a fit",
    r"(not|isn'?t|won'?t|doesn'?t|can'?t|stopped|never) (respond(s|ing)?|wak(e|es|ing)( (him|her|them|it))? up"
    r"|react(s|ing)?)",
    r"(face|mouth|eye|side|arm) (is |are |has |went |feels |looks )?(suddenly )?(droop(y|s|ing|ed)|numb"
    r"|paraly[sz]ed)",
    rf"half of {_WHOSE} (face|body)|slurr(ing|ed)|speech is slurred",
    rf"can'?t (feel|move) {_WHOSE} (left |right |whole |own )?(side|arms?|face|legs?|body)|can'?t move( at all"
    rf"| any ?more)?$",
    # allergy and birth
    r"anaphyla\w{0,6}|(throat|tongue) (is |are )?(swelling|swollen|closing)|(in|into) labou?r|waters? (just "
    r"|has |have )?bro(ke|ken)"
    r"|bab(y|ies) is coming|giving birth",
    # violence and fire
    r"(been|was|were|got|is|he'?s|she'?s) (shot|stabbed)|(with|has|got) a (gun|knife)|(hit|struck"
    r"|run over) by an? \w{1,20}"
    r"|(someone|somebody|they|burglars?|he'?s|they'?re) (\w{1,20} )?(breaking|broke|broken) in(to)?|break(s"
    r"|ing) into (my|our)"
    r"|(beating|hitting|strangling|attacking|attacked|raped|raping|following) (me|her|him|us|them)",
    r"on fire|house fire|(is|there'?s) a fire|fire in (my|our|the)|(severe|terrible|bad|serious)(ly)? burn(s|ed|t)?",
    # help
    r"ambulance|paramedics?|emergency|^(please )?(911|112|999|nine one one|nine nine nine)( please)?$",
    r"(call|dial|ring|need|send|get)( me| us)?( an?| the)? (nine one one|nine nine nine|one one two|911|112|999"
    r"|police"
    r"|fire (department|brigade|engine))",
)  # fmt: skip
_EVENTS = (
    r"heart attacks?|strokes?|seizures?|allergic reaction|collaps(e|ed|ing)|faint(ed|ing)|overdos(e|ed|ing)"
    r"|(car|bike|traffic|bad|terrible|serious|road|been an|had an|was an) (crash|accident)"
)
_HARMLESS = (
    r"strokes? of (luck|genius)|dying (to|for)|(phone|battery) is dying|emergency (contact|number|exit|brake)s?"
    r"|bleeding gums?|gums? (\w{1,20} )?(\w{1,20} )?bleed(s|ing)|gums? bleed|nose ?bleeds?|nose (is |was )?bleeding"
    r"|(with|has|got) a knife and fork|chok(e|es) up|food poisoning (test|check)"
    r"|\b(no|not|never|isn'?t|don'?t have|doesn'?t have|haven'?t got|without|nothing)( an?| any| the| really| that)*"
    r" (emergency|urgent|bleeding|chest pains?|pain in (my|the) chest|dying|suicidal|unconscious|choking"
    r"|on fire|poisoned"
    r"|(heart attack|stroke|seizure|allergic reaction|ambulance|trouble breathing))"
)
_LONG_AGO = (
    r"last (week|month|year|spring|summer|autumn|fall|winter)|(days?|weeks?|months?|years?) ago|follow ?up|history of"
    r"|(after|since|because of) (my|his|her|a|the) (\w{1,20} )?(heart attack|stroke|seizure|accident)|when i was"
    r"|in (19|20)\d\d|in (january|february|march|april|may|june|july|august|september|october|november|december)"
)
_DANGER = tuple(re.compile(rf"\b({danger})\b") for danger in _DANGERS)
_EVENT = re.compile(rf"\b({_EVENTS})\b")
_HARMLESS_WORDING = re.compile(rf"\b({_HARMLESS})\b")
_PAST = re.compile(rf"\b({_LONG_AGO})\b")


def is_emergency(said: str) -> bool:
    """True if `said` (plain) speaks of a danger to life, and does not deny it."""
    said = _HARMLESS_WORDING.sub(" ", said)
    return any(danger.search(said) for danger in _DANGER) or (bool(_EVENT.search(said)) and not _PAST.search(said))
