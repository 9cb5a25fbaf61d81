"""The app in AppTest, over a home of its own and without the sample study; what is submitted is kept, not executed."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.jobs.queue import Queue
from core.runs.folder import Home

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    monkeypatch.setattr("ui.shared.services.BackgroundReconciler.poll", lambda self: None)  # no cluster for these tests
    for module in ("core.results.sample", "ui.shared.study_picker", "ui.model.page"):
        monkeypatch.setattr(f"{module}.SAMPLE", Home(tmp_path / "no sample"))
    st.cache_data.clear()
    return Home(tmp_path.resolve()).prepare()


@pytest.fixture
def submitted(monkeypatch):
    """The specs that were handed to the cluster; their folders are made, no cluster is started."""
    found = []
    monkeypatch.setattr(Queue, "_dispatch", lambda self, folders: found.extend(folder.spec for folder in folders))
    return found


@pytest.fixture
def open_page(home):
    def open_it(name, **query):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        for parameter, value in query.items():
            app.query_params[parameter] = value
        return app.switch_page(f"pages/{name}.py").run()

    return open_it


@pytest.fixture
def select_rows():
    """Select rows of the Runs page's table, which is known by the runs in it."""

    def select(app, *rows):
        key = app.dataframe[0].proto.id.split("-", 2)[2]
        assert key.startswith("runs table ")
        app.session_state[key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
        return app.run()

    return select


@pytest.fixture
def go_back(monkeypatch):
    """Run the app as after the browser's back or forward, to the address that has ``query`` too."""

    def run(app, **query):
        for name, value in query.items():
            app.query_params[name] = value
        with monkeypatch.context() as patch:
            patch.setattr("ui.shared.url.is_history_navigation", lambda: True)
            app = app.run()
        assert not app.exception
        return app

    return run
