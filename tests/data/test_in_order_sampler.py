from brain_bundles.data import InOrderSampler, LazySequence
from monai.data import DataLoader
from monai.engines import Evaluator


def test_an_engine_is_made_without_the_data_and_runs_over_all_of_it():
    """In every epoch, as in a validation."""
    data = LazySequence(lambda: list(range(5)))
    loader = DataLoader(data, batch_size=2, sampler=InOrderSampler(data))
    seen = []
    evaluator = Evaluator("cpu", loader, iteration_update=lambda engine, batch: seen.append(batch.tolist()))
    assert "made" not in vars(data)
    for epoch in (1, 3):
        evaluator.run(epoch)
        assert seen == [[0, 1], [2, 3], [4]]
        assert (evaluator.state.epoch, evaluator.state.iteration) == (epoch, 3)
        seen.clear()
