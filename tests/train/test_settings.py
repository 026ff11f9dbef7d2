"""Settings of trainings: every preset loads, and a wrong key, type or number is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastavatar.errors import InputError, UsageError
from fastavatar.train.decoder_settings import DecoderSettings
from fastavatar.train.encoder import EncoderSettings
from fastavatar.train.settings import load_settings, settings_text, train_presets
from fastavatar.train.template import TemplateSettings
from tests.train.toy import PACE

KINDS = {"decoder": DecoderSettings, "encoder": EncoderSettings, "template": TemplateSettings}


@pytest.mark.parametrize("kind", KINDS)
def test_presets_load_and_are_written_as_they_are_read(kind: str, tmp_path: Path) -> None:
    for name in (kind, f"{kind}_small"):
        assert name in train_presets()
        found: Any = load_settings(KINDS[kind], name)
        (tmp_path / "again.yaml").write_text(settings_text(found), "utf-8")
        assert load_settings(KINDS[kind], tmp_path / "again.yaml") == found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  clip: 1.0", "  clap: 1.0", "pace has unknown clap; it has epochs, batch"),
        ("  clip: 1.0\n", "", "pace lacks clip"),
        ("  clip: 1.0", "  clip: 1e-1", r"clip must be a number \(1.0e-4, not 1e-4\), found '1e-1'"),
        ("  batch: 1", "  batch: true", "batch must be a whole number, found True"),
        ("embedding_kind: learnt", "embedding_kind: magic", "must be one of learnt, sinusoidal"),
        ("body: [", "body: 3 #", "body must be a list, found 3"),
        ("train_mean_head: false", "train_mean_head: 0", "must be true or false, found 0"),
    ],
)
def test_wrong_content_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = settings_text(load_settings(DecoderSettings, "decoder"))
    text = text.replace("  body:\n", "  body: [").replace("[  - 256\n" + "  - 256\n" * 5, "[256]\n")
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(InputError, match=message):
        load_settings(DecoderSettings, tmp_path / "mine.yaml")


def test_no_such_preset_is_a_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor one of the presets"):
        load_settings(DecoderSettings, tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "at least 1"),
        ({"save_every": 3, "log_every": 2}, "multiples of log_every"),
        ({"final_rate": 0.0}, "must lie in"),
        ({"learning_rates": {"body": -1.0}}, "must not be negative"),
    ],
)
def test_a_pace_that_no_run_can_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(PACE, **changes).schedule(8, 1)


def test_epochs_become_steps_of_all_processes() -> None:
    assert PACE.schedule(8, 1).iterations == 40 and PACE.schedule(8, 2).iterations == 20
    assert PACE.schedule(8, 1, steps=7).iterations == 7
    plateau = PACE.schedule(8, 2).plateau
    assert plateau is not None and plateau.every == 4
