"""The contract suites bite: what breaks one promise fails the cases of that promise, and no others."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

import pytest
from tests.contract.broken.plugins import ALL
from tests.contract.broken.runs import Runs

from spanloom.testing.contracts.golden import ODD

# all of them together run in the first case, on a busy machine for minutes
pytestmark = pytest.mark.timeout(1200)

CONTENT = ("redacted", "none", "hash")
TROUBLE = ("retry", "refused", "error", "hang")
INTEGRATIONS: dict[str, set[str]] = {
    # also what lies beneath another's wrapper goes on swallowing
    "broken_swallows": {
        "test_the_caller_gets_the_same_exception",
        "test_a_failure_is_one_span",
        "test_a_foreign_wrapper_on_top_survives",
    },
    "broken_stays": {
        "test_uninstrument_puts_the_originals_back",
        "test_a_foreign_wrapper_on_top_survives",
    },
    "broken_wraps": {
        "test_the_caller_gets_the_same_value_and_type",
        "test_a_failing_extractor_costs_the_detail_not_the_span",
    },
    "broken_keeps": {"test_a_stream_holds_none_of_its_pieces"},
    # what is held cannot be collected, so a stream that is held never ends
    "broken_hoards": {
        "test_requests_and_answers_die_when_delivered",
        "test_many_calls_leave_nothing",
        "test_a_stream_left_to_the_collector",
        "test_a_stream_nobody_read",
    },
    "broken_doubles": {
        "test_a_failure_is_one_span",
        "test_the_very_exception_object_passes",
        "test_a_cancelled_call_is_one_span",
    },
    "broken_mutates": {
        "test_the_server_gets_the_same_bytes",
        "test_an_iterator_of_messages_reaches_the_server_whole",
    },
    "broken_consumes": {"test_an_iterator_of_messages_reaches_the_server_whole"},
    "broken_hurries": {
        "test_a_stream_read_to_its_end_has_ended",
        "test_a_stream_closed_early",
        "test_a_stream_left_by_its_with_block",
        "test_a_stream_left_to_the_collector",
        "test_a_stream_nobody_read",
        "test_a_stream_failing_midway",
        "test_a_stream_the_server_cut_short",
        "test_a_cancelled_stream",
        "test_the_first_piece_is_timed",
        "test_any_way_has_the_facts_of_the_answer",
        "test_every_way_gives_the_same_facts",
        "test_a_call_inside_an_llm_span_is_that_span",
        "test_a_stream_that_outlives_the_llm_span_around_it",
        "test_retries_inside_a_call_are_one_span",
        "test_none_keeps_no_content",  # which also wants to see the usage
    },
    "broken_tells": {"test_none_keeps_no_content", "test_hash_keeps_no_content"},
    "broken_imports": {"test_in_a_fresh_process"},
}

BACKENDS: dict[str, set[str]] = {
    "Drops": {
        "test_every_kind_and_event_arrives",
        "test_several_batches_arrive",
        *(f"test_odd_values_arrive[{oddity}]" for oddity in ODD),
        "test_a_forked_child_delivers_its_own",
        "test_what_is_recorded_arrives",
        "test_the_tail_arrives_at_shutdown",
        *(f"test_a_planted_secret_is_in_none_of_its_bytes[{c}]" for c in CONTENT),
        *(f"test_withheld_content_is_in_none_of_its_bytes[{c}]" for c in CONTENT[1:]),
        *(f"test_anothers_trouble_is_not_its_own[{t}]" for t in TROUBLE),
    },
    "Finite": {"test_odd_values_arrive[floats]"},
    "Latin": {"test_odd_values_arrive[surrogates]"},
    "Hangs": {"test_closing_is_idempotent_and_quick"},
    "Raw": {
        *(f"test_a_planted_secret_is_in_none_of_its_bytes[{c}]" for c in CONTENT),
        *(f"test_withheld_content_is_in_none_of_its_bytes[{c}]" for c in CONTENT[1:]),
    },
    "Early": {"test_it_is_a_backend_that_opens_nothing_at_first"},
    "Lies": {"test_flush_never_calls_sent_what_was_lost"},
    # kept in memory, it was called sent; and a forked child has it too
    "Buffers": {
        "test_flush_never_calls_sent_what_was_lost",
        "test_a_forked_child_delivers_its_own",
    },
}


@pytest.fixture(scope="module")
def outcomes(broken_runs: Runs) -> Mapping[str, Mapping[str, set[str]]]:
    """For each class the names of the cases that failed and of those that passed."""
    found: dict[str, dict[str, set[str]]] = {}
    for report, process in broken_runs:
        assert process.wait() == 1  # some cases fail
        for case in ElementTree.parse(report).iter("testcase"):
            of = found.setdefault(
                case.get("classname", "").rpartition(".")[2],
                {"failed": set(), "passed": set(), "other": set()},
            )
            name = case.get("name", "")
            bad = case.find("failure") is not None or case.find("error") is not None
            kind = "failed" if bad else "other" if len(case) else "passed"
            of[kind].add(name)
    return found


def by_case(names: set[str]) -> set[str]:
    return {name.partition("[")[0] for name in names}


@pytest.mark.parametrize("name", ALL)
def test_a_broken_integration_fails_what_it_breaks(
    outcomes: Mapping[str, Mapping[str, set[str]]], name: str
) -> None:
    of = outcomes[f"Test_{name}"]
    assert by_case(of["failed"]) == INTEGRATIONS[name], sorted(of["failed"])
    assert not of["other"]
    assert len(of["passed"]) > 80


@pytest.mark.parametrize("name", [*BACKENDS, "Plain"])
def test_a_broken_backend_fails_what_it_breaks(
    outcomes: Mapping[str, Mapping[str, set[str]]], name: str
) -> None:
    of = outcomes[f"Test{name}"]
    assert of["failed"] == BACKENDS.get(name, set())
    assert not of["other"]
    assert len(of["passed"]) >= 4
