"""The files of the migrations say what upstream's `goose_db_version` will hold."""

from __future__ import annotations

from metadata_service.storage.postgres.migrations import all_migrations, created_index

# Upstream's versions, oldest first, and whether goose runs them in a transaction.
UPSTREAM = {
    1: True,
    20200603104139: True,
    20201002000616: True,
    20210202145952: True,
    20210260056859: False,
    20211202100726: False,
    20220503175500: False,
    20230118020300: False,
    20260615000000: False,
    20260706000000: False,
    20260706000001: False,
    20260706000002: False,
    20260706000003: False,
}


def test_versions_and_their_order_are_upstreams() -> None:
    assert {step.version: step.in_transaction for step in all_migrations()} == UPSTREAM
    assert [step.version for step in all_migrations()] == list(UPSTREAM)


def test_no_statement_outside_a_transaction_needs_one() -> None:
    for step in all_migrations():
        for statement in step.statements:
            assert ("CONCURRENTLY" in statement) is not step.in_transaction, statement
            assert statement.endswith(";") and statement.count(";") == 1, statement


def test_indexes_that_are_built_beside_writes_are_known_by_name() -> None:
    statements = [statement for step in all_migrations() for statement in step.statements]
    built = [created_index(statement) for statement in statements if statement.startswith("CREATE INDEX CONCURRENTLY")]
    assert len(built) == 18 and None not in built
