path=/v1/partner/users
now=$(date +%s)
body_hash=$(printf '' | shasum -a 256 | cut -c 1-64)
signature=$(printf '%s' "${now}GET${path}${body_hash}" |
  openssl dgst -sha256 -hmac "$SIR_HMAC_SECRET" -hex |
  awk '{print $NF}')

curl -sS "$SIR_BASE_URL$path" \
  -H "X-Partner-Key: $SIR_SECRET_KEY" \
  -H "X-Timestamp: $now" \
  -H "X-Signature: $signature"
