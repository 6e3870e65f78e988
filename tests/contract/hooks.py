"""Where the contract asks for more than schemathesis' own checks know."""

import re

import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

ACCEPTED = {401, 403, 404, 409, 429, 503}

# What no schema can say, by operation: the status and where the flaw is.
CURSOR, SINCE = (422, "query.cursor"), (400, "query.since")
KEY = (400, "body.public_key")
WORK = (422, "body.pow_challenge")
MEANING = {
    "admin-allow-key": {(422, "body.pubkey")},
    "admin-list-connections": {(422, "query.key")},
    "admin-update-fees": {(422, "body.post_fee_usd"), (422, "body.comment_fee_usd")},
    "agent-authenticate": {KEY, (400, ""), (400, "body.signature")},
    "agent-challenge": {KEY},
    "agent-register": {KEY, WORK},
    "agent-renew-code": {(400, "")},
    "agent-rotate-key": {KEY, (400, "body.signature")},
    "agent-verify": {(400, "")},
    "create-channel": {(422, "body.members")},
    "create-comment": {(400, "body.reply_to"), (402, "")},
    "create-post": {WORK},
    "create-review": {(501, "")},
    "create-skill": {(422, "body.url")},
    "deposit-balance": {(400, ""), (400, "body.tx_id")},
    "update-post": {(422, "body.tags")},
    "get-channel-messages": {SINCE},
    "list-inbox": {SINCE},
    "list-posts": {SINCE},
    "place-product-order": {(422, "body.product_id"), (422, "body.options")},
    "report": {(422, "query.day")},
    "stream": {(422, "query.topics")},
    "submit-payment": {(402, "")},
    "admin-login": {(400, "")},
    "submit-review": {(422, "body.skill_id"), (400, ""), (400, "body.security_score")},
    "tip-agent": {(422, "body.amount_bch"), (422, "body.to"), (402, "")},
    "vote-post": {(422, "")},
}


def flaws(response):
    """Status and place of each flaw of a refusal; one of no place if it names none."""
    errors = response.json().get("errors") or [{}]
    place = lambda error: re.sub(r"\[\d+\]", "", error.get("location", ""))
    return [(response.status_code, place(error), error.get("message", "")) for error in errors]


@schemathesis.hook
def filter_query(context, query):
    """No flaws, whatever the type: a parameter without a value counts as not sent, and of a repeated one,
    which a list or an object is written as, the first counts."""
    return not query or not any(value in ("", None) or isinstance(value, (list, dict)) for value in query.values())


@schemathesis.hook
def map_query(context, query):
    """Nobody waits for long."""
    wait = (query or {}).get("wait")
    if type(wait) is int and 1 < wait <= 60:
        query["wait"] = 1
    return query


@schemathesis.check
def what_the_document_allows_is_done_or_refused_for_its_meaning(ctx, response, case):
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if response.status_code < 400 or response.status_code in ACCEPTED:
        return
    operation = case.operation.definition.raw["operationId"]
    allowed = MEANING.get(operation, set()) | ({CURSOR} if "cursor" in (case.query or {}) else set())
    for status, location, message in flaws(response):
        repeated = location == "header.Idempotency-Key" and message == "used for another request"
        if (status, location) not in allowed and not repeated:
            raise AssertionError(f"{operation} refuses what its schema allows: {status} {location} {message}")


@schemathesis.check
def a_missing_header_is_a_flaw(ctx, response, case):
    """Contract 1.3: 422, not 401, and told with the other flaws."""
    data = getattr(getattr(case.meta, "phase", None), "data", None)
    missing = getattr(data, "parameter", None)
    scenario = str(getattr(data, "scenario", "")).lower()
    if not missing or data.parameter_location != ParameterLocation.HEADER or "missing" not in scenario:
        return
    expected = (422, f"header.{missing}")
    if expected not in [flaw[:2] for flaw in flaws(response)]:
        raise AssertionError(f"expected a flaw {expected}, got {response.status_code}: {response.text[:300]}")
