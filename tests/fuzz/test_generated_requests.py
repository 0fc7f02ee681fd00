"""Requests generated from the OpenAPI description: no 5xx, and every answer is one that it lists (promise 7).

For each operation good and bad input is generated and sent to a school that has a row of every kind, as its
owner, as an instructor and as a student. Then operations are chained: what one made, the next ones name.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable
from schemathesis import APIOperation, GenerationMode, Response
from schemathesis import Case as AnyCase
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from driveflow.core.actor import Role
from support.databases import Cluster
from support.figures import note_figure
from support.generated_requests import ROLES, GeneratedRequests, generated_requests

Case = AnyCase[Any]
Operation = APIOperation[Any, Any, Any, Any]

pytestmark = pytest.mark.fuzz

SOAK = settings.get_current_profile_name() == "soak"
SHARDS = 4
# Each case goes out as three roles: 78 operations x 2 modes x 3 cases x 3 roles are 1,400 requests.
CASES = 200 if SOAK else 3
CHAINED = 10_000 if SOAK else 150
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
QUIET = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def requests(cluster: Cluster) -> Iterator[GeneratedRequests]:
    with cluster.clone() as url, generated_requests(url) as made:
        yield made


def send(requests: GeneratedRequests, operation: Operation, mode: GenerationMode) -> None:
    """Send generated cases of one operation as each role, and check the answers."""
    good = mode is GenerationMode.POSITIVE
    checks = CHECKS if good else [*CHECKS, negative_data_rejection]

    @QUIET
    @given(case=operation.as_strategy(generation_mode=mode), number=st.integers(0, 2**32))
    def check(case: Case, number: int) -> None:
        requests.fit(case, random.Random(number), good=good)
        for role in requests.keys:
            response = case.call(headers=requests.headers(role))
            requests.heard(response)
            case.validate_response(response, checks=checks)

    check()


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_generated_input_gets_an_answer_that_the_description_lists(
    requests: GeneratedRequests, request: pytest.FixtureRequest, mode: GenerationMode, shard: int
) -> None:
    operations = sorted(
        (found.ok() for found in requests.schema.get_all_operations() if isinstance(found, Ok)),
        key=lambda operation: operation.method == "delete",  # last, when all others had their row
    )
    requests.answers.clear()
    failures = {}
    for operation in operations[shard::SHARDS]:
        try:
            send(requests, operation, mode)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # it takes no input that could be bad
        except FailureGroup as group:
            failures[operation.label] = "\n".join(str(failure) for failure in group.exceptions)
    assert failures == {}, "\n\n".join(f"{label}\n{text}" for label, text in failures.items())
    note_figure(
        request,
        f"generated input ({mode.value}, part {shard + 1} of {SHARDS}): {requests.answers.total()} answers, "
        f"by status {dict(sorted(requests.answers.items()))}",
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_chain_of_requests_each_with_ids_of_the_ones_before_gets_answers_of_the_description(
    requests: GeneratedRequests, request: pytest.FixtureRequest, role: Role
) -> None:
    requests.answers.clear()
    failures: list[str] = []

    class Chain(requests.schema.as_state_machine()):  # type: ignore[misc]  # a class made at run time
        def before_call(self, case: Case) -> None:
            requests.fit(case, random.Random(requests.answers.total()), good=True)

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:  # noqa: ARG002 - schemathesis asks for each case
            return {"headers": requests.headers(role)}

        def after_call(self, response: Response, case: Case) -> None:
            super().after_call(response, case)
            requests.heard(response)

        def validate_response(self, response: Response, case: Case, **_: object) -> None:
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as group:
                failures.extend(f"{case.operation.label}: {failure}" for failure in group.exceptions)

    for number in count():
        # The school remembers what was sent: Hypothesis ends a run when a repeated start goes on otherwise.
        with suppress(Flaky):
            seed(number)(Chain).run(settings=settings(QUIET, derandomize=False, stateful_step_count=8))
        if requests.answers.total() >= CHAINED or failures:
            break
    assert failures == []
    note_figure(
        request,
        f"chained requests as {role}: {requests.answers.total()} answers, "
        f"by status {dict(sorted(requests.answers.items()))}",
    )
