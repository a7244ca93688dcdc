import logging
import sys

import pytest
import torch
from brain_bundles.handlers import ProgressBar
from ignite.engine import Engine


def run(bar: ProgressBar, outputs: list, epochs: int = 1) -> None:
    engine = Engine(lambda engine, batch: outputs[batch])
    bar.attach(engine)
    engine.run(list(range(len(outputs))), max_epochs=epochs)


def test_one_line_per_epoch_with_the_means(caplog):
    with caplog.at_level(logging.INFO, logger="brain_bundles"):
        run(
            ProgressBar("autoencoder"),
            [{"loss": 1.0, "kl_loss": 10.0}, {"loss": torch.tensor(2.0), "kl_loss": 30.0}],
            epochs=2,
        )
    lines = [record.getMessage() for record in caplog.records if record.name == "brain_bundles.training"]
    assert len(lines) == 2
    assert lines[0].startswith("autoencoder 1/2, iteration 2: loss 1.5, kl_loss 20 (")


def test_a_single_overflow_does_not_blank_the_mean(caplog):
    with caplog.at_level(logging.INFO, logger="brain_bundles"):
        run(ProgressBar(), [{"loss": 1.0}, {"loss": float("inf")}, {"loss": 3.0}])
    assert "loss 2 (" in caplog.text


def test_lines_within_an_epoch(caplog):
    with caplog.at_level(logging.INFO, logger="brain_bundles"):
        run(ProgressBar(log_every=2), [{"loss": 1.0}] * 5)
    assert [text in caplog.text for text in ("iteration 2:", "iteration 4:", "iteration 5:")] == [True] * 3


@pytest.mark.parametrize("terminal", [True, False])
def test_bar_is_quiet_without_a_terminal(capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    run(ProgressBar("autoencoder"), [{"loss": 1.0}] * 3)
    shown = capsys.readouterr().err
    assert ("autoencoder 1/1" in shown) == terminal


def test_log_every_must_be_positive():
    with pytest.raises(ValueError, match="log_every must be at least 1 iteration, got 0"):
        ProgressBar(log_every=0)
