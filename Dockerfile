# A service with the included model, or with another one:
#     docker build -t fusionser .
#     docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 fusionser
#     docker run --rm --read-only --tmpfs /tmp -v "$PWD/m.fusionser:/model.fusionser:ro" -p 8000:8000 \
#         -e FUSIONSER_API_KEY=... fusionser /model.fusionser
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/*

COPY . /source
# The build of torch for processors; the usual one brings gigabytes for graphics cards.
RUN python -m pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
        --constraint /source/constraints.txt '/source[serve,onnx]' \
    && rm -rf /source

RUN useradd --system --uid 10001 --no-create-home fusionser
USER 10001
# Nothing is kept; /tmp is the only folder that is written to.
ENV HOME=/tmp FUSIONSER_CACHE=off MPLCONFIGDIR=/tmp
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
ENTRYPOINT ["fusionser", "serve", "--host", "0.0.0.0"]
