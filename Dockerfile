# Tapeline and what it needs at run time: every command, and the examples.
#
#   docker build --tag tapeline:local .
#   docker run --rm tapeline:local --help

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /usr/src/tapeline
# The same path in both stages: scripts of a virtual environment name it.
RUN python -m venv /usr/local/tapeline
COPY LICENSE README.md pyproject.toml setup.py ./
COPY replay ./replay
COPY schemas ./schemas
COPY streams ./streams
COPY tapeline ./tapeline
RUN /usr/local/tapeline/bin/pip install --no-cache-dir --disable-pip-version-check '.[parquet]'

FROM python:3.11.14-slim-bookworm
# A number, so that an orchestrator can see that it is not root; no shell, no password.
RUN groupadd --system --gid 10001 tapeline \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin tapeline \
    && install --directory --owner 10001 --group 10001 /var/lib/tapeline
COPY --from=build /usr/local/tapeline /usr/local/tapeline
COPY examples /usr/share/tapeline/examples
ENV PATH=/usr/local/tapeline/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/tapeline
STOPSIGNAL SIGTERM
ENTRYPOINT ["tapeline"]
CMD ["--help"]
