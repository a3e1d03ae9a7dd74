"""Evaluation from end to end: recordings in, scores, tables and figures out, and runs that go on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.cli import main
from lsm2.evaluation import (
    DEFAULT_BASELINES,
    choose_baselines,
    evaluate_gaps,
    frame_cohorts,
    gaps,
)

from .evaluation_data import write_cohort

FAST = ["linear", "locf", "day mean"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return lsm2.simulate(4, 2)[["heart_rate", "steps"]]


class TestCohorts:
    def test_each_half_of_the_people_is_scored_beside_the_other(self, frame: pd.DataFrame) -> None:
        cohorts, said = frame_cohorts(frame, name="mine")
        people = [set(cohort.recordings[0].participants[cohort.recordings[0].person]) for cohort in cohorts]
        learnt = [set(cohort.train[0].participants[cohort.train[0].person]) for cohort in cohorts]
        assert people[0] | people[1] == set(frame.index.get_level_values(0))
        assert not people[0] & people[1]
        assert learnt == people[::-1]
        assert "two halves" in said

    def test_a_person_alone_has_no_baseline_that_learns(self, frame: pd.DataFrame) -> None:
        alone = frame.loc[["simulated-1"]]
        cohorts, said = frame_cohorts(alone)
        assert cohorts[0].train == ()
        assert said.startswith("There is one person")
        found = evaluate_gaps(alone, protocols=["60 min"])
        assert set(found.scores["method"]) == {"linear", "locf", "day mean", "same minute", "zero"}

    def test_people_of_another_file_give_the_scales(self, frame: pd.DataFrame) -> None:
        other = frame.loc[["simulated-2", "simulated-3"]]
        cohorts, said = frame_cohorts(frame.loc[["simulated-1"]], other)
        assert cohorts[0].scales["heart_rate"].mean == pytest.approx(other["heart_rate"].mean(), rel=0.05)
        assert said.endswith("2 people of another file.")

    def test_a_channel_that_never_changes_is_left_out(self, frame: pd.DataFrame) -> None:
        cohorts, _ = frame_cohorts(frame.assign(spo2=97.0))
        assert set(cohorts[0].scales) == {"heart_rate", "steps"}


class TestEvaluate:
    def test_a_model_and_baselines_on_a_frame(self, frame: pd.DataFrame, tmp_path: Path) -> None:
        model = lsm2.load_model()
        found = evaluate_gaps(
            frame.assign(spo2=np.random.default_rng(0).uniform(90, 99, len(frame))),
            models={"ours": model},
            protocols=["60 min", "180 min", "extrapolation"],
            baselines=["day-mean", "kalman"],
        )
        assert set(found.scores["method"]) == {"ours", "linear", "locf", "day mean", "kalman"}
        assert set(found.scores["channel"]) == {"heart_rate", "steps"}
        assert found.facts["checkpoints"] == {"ours": model.hash}
        assert any("does not read them: spo2" in note for note in found.facts["notes"])
        cells = found.scores.groupby(["participant", "channel", "protocol"])["cells"].nunique()
        assert (cells == 1).all()
        assert set(found.contests["against"]) == {"linear", "locf", "day mean", "kalman"}
        out = found.save(tmp_path / "new" / "out")
        names = {path.name for path in out.iterdir()}
        assert {"scores.parquet", "results.json", "table.md", "gap-length-mse.png"} <= names
        assert "extrapolation-mae.png" in names
        assert not [name for name in names if name.endswith(".part")]
        facts = json.loads((out / "results.json").read_text())
        assert len(facts["rows"]) == len(found.summary)
        page = (out / "table.md").read_text()
        for text in ("## Verdicts", "### Seams", "### Bias", "| heart_rate | next 180 min |"):
            assert text in page

    def test_names_are_checked(self, frame: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match="no baseline 'spline'; there are linear"):
            evaluate_gaps(frame, baselines=["spline"])
        with pytest.raises(ValueError, match="no protocol 'holes'"):
            evaluate_gaps(frame, protocols=["holes"])
        with pytest.raises(ValueError, match="cannot be called 'linear'"):
            evaluate_gaps(frame, models={"linear": lsm2.load_model()})
        assert choose_baselines() == DEFAULT_BASELINES
        assert choose_baselines(["saits"]) == ("linear", "locf", "saits")

    def test_finished_parts_are_not_computed_again(
        self, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = {"protocols": ["10 min", "random"], "baselines": FAST, "out": tmp_path}
        real = gaps._score
        done: list[object] = []

        def score(*given: object) -> pd.DataFrame:
            if len(done) == 7:
                raise KeyboardInterrupt
            done.append(given[2])
            return real(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(gaps, "_score", score)
        with pytest.raises(KeyboardInterrupt):
            evaluate_gaps(frame, **options)  # type: ignore[arg-type]
        assert len(list((tmp_path / "parts").iterdir())) == 7
        computed: list[object] = []
        monkeypatch.setattr(gaps, "_score", lambda *given: computed.append(given[2]) or real(*given))
        found = evaluate_gaps(frame, **options)  # type: ignore[arg-type]
        assert len(computed) == 24 - 7  # two halves, four protocols, three methods: none of them twice
        whole = evaluate_gaps(frame, protocols=["10 min", "random"], baselines=FAST)
        columns = [column for column in whole.scores if column != "seconds"]
        pd.testing.assert_frame_equal(found.scores[columns], whole.scores[columns])

    def test_what_a_part_depends_on_is_in_its_key(self, frame: pd.DataFrame, tmp_path: Path) -> None:
        options = {"protocols": ["10 min"], "baselines": FAST}
        evaluate_gaps(frame, out=tmp_path, **options)  # type: ignore[arg-type]
        before = set((tmp_path / "parts").iterdir())
        assert len(before) == 6
        evaluate_gaps(frame, out=tmp_path, models={"ours": lsm2.load_model()}, **options)  # type: ignore[arg-type]
        assert len(set((tmp_path / "parts").iterdir()) - before) == 2
        changed = frame.copy()
        changed.iloc[700, 0] = 61.5
        with pytest.raises(ValueError, match="was drawn for another recordings"):
            evaluate_gaps(changed, out=tmp_path, **options)  # type: ignore[arg-type]

    def test_a_damaged_part_is_computed_again(self, frame: pd.DataFrame, tmp_path: Path) -> None:
        options = {"protocols": ["10 min"], "baselines": FAST, "out": tmp_path}
        first = evaluate_gaps(frame, **options)  # type: ignore[arg-type]
        path = next((tmp_path / "parts").iterdir())
        path.write_bytes(b"no parquet")
        again = evaluate_gaps(frame, **options)  # type: ignore[arg-type]
        assert again.scores["mse"].tolist() == first.scores["mse"].tolist()


class TestCommand:
    def test_a_recording(
        self, frame: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "mine.parquet"
        frame.to_parquet(path)
        out = tmp_path / "out"
        options = [
            "--protocols",
            "short gaps, all channels,60 min",
            "--baselines",
            "day-mean",
            "-o",
            str(out),
        ]
        assert main(["evaluate", "gaps", str(path), "--model", "ours=lsm2-small", *options]) == 0
        assert "of 4 people" in capsys.readouterr().out
        facts = json.loads((out / "results.json").read_text())
        assert list(facts["checkpoints"]) == ["ours"]
        assert set(facts["people_by_dataset"]) == {"mine, half 1", "mine, half 2"}
        assert {row["protocol"] for row in facts["rows"]} == {"short gaps, all channels", "60 min"}

    def test_a_split_of_a_configuration(self, tmp_path: Path) -> None:
        config = write_cohort(tmp_path)
        out, log = tmp_path / "out", tmp_path / "log" / "test-log.md"
        options = [
            "--data",
            str(tmp_path),
            "--config",
            str(config),
            "--no-model",
            "--protocols",
            "10 min,30 min,sensors",
        ]
        options += ["--test-log", str(log)]
        assert main(["evaluate", "gaps", *options, "--split", "valid", "-o", str(out)]) == 0
        assert not log.exists()
        scores = pd.read_parquet(out / "scores.parquet")
        assert set(scores["participant"]) == {"q3", "q4"}
        assert set(scores["method"]) == set(DEFAULT_BASELINES)
        facts = json.loads((out / "results.json").read_text())
        assert (facts["people"], facts["days"], facts["checkpoints"]) == (2, 6, {})
        assert facts["split"] == "valid"
        assert {row["channel"] for row in facts["rows"]} == {"heart_rate", "steps"}
        page = (out / "table.md").read_text()
        assert page.startswith("# Filled gaps, valid people")
        assert "| steps | 10 min | 2 | 6 |" in page
        for _ in range(2):
            words = [*options, "--baselines", "day-mean", "--split", "test", "-o", str(tmp_path / "test")]
            assert main(["evaluate", "gaps", *words]) == 0
        lines = log.read_text().splitlines()
        assert len([line for line in lines if re.search(r"\| baselines only \| 1 \| 3 \|$", line)]) == 2

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "give either a recording, or --data with --split"),
            (["--data", "x"], "--data and --split go together"),
            (["x.parquet", "--split", "valid"], "--data and --split go together"),
            (["x.parquet", "--no-model", "--model", "lsm2-small"], "exclude each other"),
            (["x.parquet", "--baselines", "spline"], "no baseline 'spline'"),
            (["x.parquet", "--protocols", "holes"], "no protocol 'holes'"),
            (
                ["x.parquet", "--model", "a=lsm2-small", "--model", "a=lsm2-small"],
                "two models are called 'a'",
            ),
            (["x.parquet", "--no-model"], "no such file"),
            (["--data", "x", "--split", "valid", "--train", "y.parquet"], "--train goes with a recording"),
        ],
    )
    def test_mistakes_are_one_line(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["evaluate", "gaps", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
