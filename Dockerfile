# One image for both programs: `python -m web` (the default) and `python -m workers`.
ARG PYTHON_VERSION=3.13.9

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/voiceagent/bin:$PATH
RUN python -m venv /opt/voiceagent
WORKDIR /source
COPY requirements.txt requirements-llm.txt ./
RUN pip install --requirement requirements.txt
# docker build --build-arg EXTRA=llm: with what AGENT=llm needs
ARG EXTRA=
RUN test -z "$EXTRA" || pip install --requirement "requirements-$EXTRA.txt"
COPY pyproject.toml README.md LICENSE ./
COPY orchestrator ./orchestrator
COPY web ./web
COPY workers ./workers
RUN pip install --no-deps .

FROM python:${PYTHON_VERSION}-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin voiceagent
COPY --from=build /opt/voiceagent /opt/voiceagent
ENV PATH=/opt/voiceagent/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
WORKDIR /app
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/livez', timeout=4)"]
CMD ["python", "-m", "web"]
