path=/v1/partner/actions/submit
body='{
  "idempotencyKey": "order_98765",
  "actionType": "PURCHASE",
  "amount": 49.99,
  "currency": "USD",
  "stakeholders": [
    {
      "stakeholderTypeCode": "CUSTOMER",
      "partnerUserId": "user_42"
    }
  ]
}'
now=$(date +%s)
body_hash=$(printf '%s' "$body" | shasum -a 256 | cut -c 1-64)
signature=$(printf '%s' "${now}POST${path}${body_hash}" |
  openssl dgst -sha256 -hmac "$SIR_HMAC_SECRET" -hex |
  awk '{print $NF}')

curl -sS "$SIR_BASE_URL$path" \
  -H "X-Partner-Key: $SIR_SECRET_KEY" \
  -H "X-Timestamp: $now" \
  -H "X-Signature: $signature" \
  -H "Content-Type: application/json" \
  --data-binary "$body"
