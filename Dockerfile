# A static image with nothing but syncd: trust roots and time zones are inside the binary.
#
# BUILDER may be any image with Go and git-free module access; nothing of it reaches the result.
ARG BUILDER=golang:1.26
FROM ${BUILDER} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /syncd ./cmd/syncd && mkdir /data

FROM scratch
COPY --from=build /syncd /syncd
COPY --from=build --chown=65532:65532 /data /var/lib/syncd
USER 65532:65532
WORKDIR /etc/syncd
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/syncd", "health"]
ENTRYPOINT ["/syncd"]
CMD ["serve"]
