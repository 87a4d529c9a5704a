# pyuring without a compiler in the image:
#
#   docker build -t pyuring .
#   docker run --rm --security-opt seccomp=unconfined pyuring
#
# Docker's default seccomp profile refuses io_uring; without the option the last line
# says so. A profile that allows the three io_uring system calls serves as well.

FROM python:3.13-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev liburing-dev
COPY . /src
RUN python -m venv /opt/pyuring
RUN /opt/pyuring/bin/pip install --no-cache-dir /src
RUN /opt/pyuring/bin/python -Ic "import pyuring; print(pyuring.__version__, pyuring.liburing_version)"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/pyuring /opt/pyuring
ENV PATH=/opt/pyuring/bin:$PATH
# nobody
USER 65534:65534
CMD ["python", "-Ic", "import pyuring; print(pyuring.Ring(8))"]
