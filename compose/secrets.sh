#!/usr/bin/env bash
# Makes what docker-compose.yml reads from files: keys and passwords once, and the services' tokens anew
# each time (they are good for BACKSTOP_TOKEN_DAYS; a running service notices). With `token ROLE DIVISION [DEPARTMENT]`
# it prints a token for a person, good for 12 hours. It stands in for the OIDC issuer and the vault that a
# county has: for development only. Needs OpenSSL 3.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")"
issuer=${BACKSTOP_ISSUER:-https://issuer.backstop.invalid}
audience=${BACKSTOP_AUDIENCE:-backstop}
county=${BACKSTOP_COUNTY:-999999000000}
days=${BACKSTOP_TOKEN_DAYS:-30}
mkdir -p secrets
cd secrets

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# Nobody but the owner of the folder comes at a file; in a container, where only the file is, another user
# has to read it. Written in place: a mounted file is the same file afterwards.
put() { cat >"$1"; chmod 644 "$1"; }

once() { if [ ! -s "$1" ]; then "${@:2}" | put "$1"; fi; }

# SUBJECT ROLE DIVISION SECONDS [DEPARTMENT]
token() {
    local now claims signed signature
    now=$(date +%s)
    claims="{\"iss\":\"$issuer\",\"aud\":\"$audience\",\"sub\":\"$1\",\"role\":\"$2\",\"division\":\"$3\""
    if [ -n "${5-}" ]; then claims+=",\"department\":\"$5\""; fi
    claims+=",\"iat\":$now,\"exp\":$((now + $4))}"
    signed=$(printf '{"alg":"EdDSA","typ":"JWT"}' | base64url).$(printf %s "$claims" | base64url)
    local text; text=$(mktemp)
    printf %s "$signed" >"$text"
    signature=$(openssl pkeyutl -sign -rawin -inkey issuer.pem -in "$text" | base64url)
    rm "$text"
    printf '%s.%s\n' "$signed" "$signature"
}

jwks() {
    local x; x=$(openssl pkey -in issuer.pem -pubout -outform DER | tail -c 32 | base64url)
    printf '{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","x":"%s"}]}\n' "$x"
}

password() { openssl rand -hex 24; }
key() { openssl rand -base64 32; }

if [ "${1-}" = token ]; then
    [ -s issuer.pem ] || { echo "run compose/secrets.sh first" >&2; exit 1; }
    if [ $# -lt 3 ]; then echo "usage: compose/secrets.sh token ROLE DIVISION [DEPARTMENT]" >&2; exit 2; fi
    token "$(printf %s "$2" | tr '[:upper:]_' '[:lower:]-')-$3" "$2" "$3" 43200 "${4-}"
    exit
fi

[ -s issuer.pem ] || openssl genpkey -algorithm ed25519 -out issuer.pem
jwks | put jwks
for name in ledger-key id-number-key lookup-key log-key query-key; do once "$name" key; done
for name in postgres-password grafana-password; do once "$name" password; done
for name in migration households workflow comparison measures; do
    once "$name-database-password" password
    printf 'postgres://backstop_%s:%s@postgres:5432/backstop\n' \
        "$name" "$(cat "$name-database-password")" | put "$name-database-url"
done
once s3-secret-access-key password
printf '{"identities":[{"name":"backstop","credentials":[{"accessKey":"backstop","secretKey":"%s"}],"actions":["Read:evidence","Write:evidence","List:evidence"]}]}\n' \
    "$(cat s3-secret-access-key)" | put s3-identities
once redis-password password
printf 'requirepass %s\n' "$(cat redis-password)" | put redis-conf
printf 'redis://:%s@redis:6379/\n' "$(cat redis-password)" | put redis-url
for name in households workflow comparison measures gateway; do
    token "service:$name" SERVICE "$county" $((days * 86400)) | put "$name-token"
done
echo "secrets for development are in compose/secrets"
