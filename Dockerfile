# signwise serve in a container: the base install and its serve extra, without PyTorch.
#
#     docker build -t signwise .
#     docker run --read-only -p 127.0.0.1:8000:8000 signwise
#     docker run --read-only -p 127.0.0.1:8000:8000 -v ./run:/models/run:ro signwise /models/run
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/signwise \
    && /opt/signwise/bin/pip install --no-cache-dir '.[serve]'

FROM python:3.13-slim
RUN useradd --uid 10001 --no-log-init --no-create-home --shell /usr/sbin/nologin signwise
COPY --from=build /opt/signwise /opt/signwise
ENV PATH=/opt/signwise/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready')"]
# A signal to stop lets requests end: give it time, as docker stop --time 60.
ENTRYPOINT ["signwise", "serve", "--host", "0.0.0.0"]
CMD ["priority-stop"]
