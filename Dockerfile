# The gateway, for docker-compose.yml and Kubernetes. It listens on loopback only: whoever publishes it puts an
# authenticating proxy into its network namespace.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY domain domain
COPY servers servers
COPY index index
COPY store store
COPY sync sync
COPY policy_client policy_client
COPY gateway gateway
COPY rl rl
COPY migrations migrations
COPY toolcrib_client toolcrib_client
RUN python -m venv /opt/toolcrib \
    && /opt/toolcrib/bin/pip install --no-cache-dir '.[postgres,qdrant]'

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 toolcrib \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin toolcrib \
    && install --directory --owner toolcrib --group toolcrib --mode 0700 /var/lib/toolcrib
COPY --from=build /opt/toolcrib /opt/toolcrib
ENV PATH=/opt/toolcrib/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOOLCRIB_DATA=/var/lib/toolcrib \
    TOOLCRIB_PORT=8420
USER 10001:10001
VOLUME /var/lib/toolcrib
EXPOSE 8420
# Alive, not ready: a gateway whose database is away goes on serving what it knows, and must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"TOOLCRIB_PORT\"]}/healthz', timeout=3)"]
ENTRYPOINT ["toolcrib"]
CMD ["serve"]
