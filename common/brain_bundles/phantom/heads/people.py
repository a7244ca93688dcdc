"""The people of the head population: age, sex, and four volumes whose relations are those of real adults.

Fitted to 377 adults of 20 to 86 years of the IXI data set (https://brain-development.org/ixi-dataset, CC BY-SA 3.0),
with volumes by the DLMUSE segmentation of the NiChart project (https://neuroimagingchart.com). Only the fitted
coefficients are kept here. Sex acts through head size and nothing else: given age and intracranial volume, women and
men have the same distribution of the other volumes. (In the data, sex adds nothing to ventricles, brain and grey matter
beyond head size: t = 0.4, -1.3 and 0.0.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brain_bundles.data.covariates import SEXES, Covariates
from brain_bundles.phantom.population import PopulationModel, fit_truncated, to_normal

NAMES = ("age", "intracranial_volume", "ventricular_volume", "brain_volume", "grey_matter_volume")
RANGE: Mapping[str, tuple[float, float]] = {
    "age": (20.0, 90.0),
    "intracranial_volume": (1000.0, 1950.0),
    "ventricular_volume": (5.0, 130.0),
    "brain_volume": (850.0, 1700.0),
    "grey_matter_volume": (400.0, 1050.0),
}
# Wider than the shares of the adults: brain in the intracranial space .749 to .924, grey matter in the brain .504 to
# .606, CSF outside of the lateral ventricles in the intracranial space from .059 up.
BRAIN_SHARE = (0.70, 0.935)
GREY_SHARE = (0.48, 0.63)
LEAST_CSF_SHARE = 0.05

# Made by ``fit_people``; rows of SEXES, columns of NAMES on the scale of ``to_normal`` with the age itself.
_WEIGHT = (0.5, 0.5)
_MEAN = (
    (0.8773212, 7.1867872, 2.7425784, 7.0337366, 6.4404341),
    (0.8773212, 7.3255761, 2.9865668, 7.169028, 6.566932),
)
_COVARIANCE = (  # of both sexes
    (0.0740294, -0.0047536, 0.0944588, -0.0141334, -0.0228189),
    (-0.0047536, 0.006845, 0.0054313, 0.0072825, 0.0074258),
    (0.0944588, 0.0054313, 0.3082639, -0.0114755, -0.0248156),
    (-0.0141334, 0.0072825, -0.0114755, 0.009675, 0.0112565),
    (-0.0228189, 0.0074258, -0.0248156, 0.0112565, 0.0146086),
)


@dataclass(frozen=True)
class Person(Covariates):
    """Covariates of one person with a head.

    Attributes:
        intracranial_volume: everything inside of the skull, with CSF and ventricles, mL.
        grey_matter_volume: cortex, deep grey matter and cerebellar cortex, mL.

    Raises:
        ValueError: if a value is impossible.
    """

    intracranial_volume: float
    grey_matter_volume: float


def plausible(person: Person) -> bool:
    """True if the volumes fit into each other as those of the adults do."""
    head, brain = person.intracranial_volume, person.brain_volume
    csf = head - brain - person.ventricular_volume
    return (
        BRAIN_SHARE[0] <= brain / head <= BRAIN_SHARE[1]
        and GREY_SHARE[0] <= person.grey_matter_volume / brain <= GREY_SHARE[1]
        and csf >= LEAST_CSF_SHARE * head
    )


def head_population() -> PopulationModel[Person]:
    """The people of label-map anatomies, 20 to 90 years, as many women as men."""
    covariance = np.array(_COVARIANCE)
    return _model(np.array(_WEIGHT), np.array(_MEAN), np.stack([covariance, covariance]))


def _model(weight: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> PopulationModel[Person]:
    return PopulationModel(
        weight, mean, covariance, range=RANGE, names=NAMES, person=Person, plausible=plausible, age_power=1
    )


def fit_people(table: Sequence[Mapping[str, object]]) -> PopulationModel[Person]:
    """Fit the model to the people in ``table``. The coefficients above come from the IXI table::

        fit_people(list(csv.DictReader(open("ixi_volumes.csv"))))

    Age is fitted by maximum likelihood of a truncated Gaussian, for both sexes together. Log intracranial volume is
    regressed on age and sex, the other log volumes on age and log intracranial volume without sex. Log volumes are
    linear in age: grey matter falls by 0.42 % a year and ventricles grow by 2.3 %. A population has as many women as
    men; the table has 60 % women.

    Raises:
        ValueError: if a row has an impossible value, or there are fewer than 20 people.
    """
    renamed = [{**row, "grey_matter_volume": row.get("grey_matter_volume", row.get("grey_matter"))} for row in table]
    people = [Person(sex=str(row["sex"]), **{name: float(str(row[name])) for name in NAMES}) for row in renamed]
    if len(people) < 20:
        raise ValueError(f"{len(people)} people, expected at least 20 to fit.")
    u = np.array([[to_normal(name, getattr(person, name), 1) for name in NAMES] for person in people])
    male = np.array([float(person.sex == SEXES[1]) for person in people])
    age, head, others = u[:, :1], u[:, 1], u[:, 2:]
    bounds = [to_normal("age", limit, 1) for limit in RANGE["age"]]
    mean_age, variance_age = fit_truncated(u[:, 0], *bounds)
    one = np.ones((len(u), 1))
    # (1, male, age) -> head, then (1, age, head) -> the others.
    by_sex = np.concatenate([one, male[:, None], age], axis=1)
    a, *_ = np.linalg.lstsq(by_sex, head, rcond=None)
    variance_head = float(((head - by_sex @ a) ** 2).sum() / (len(u) - 3))
    by_head = np.concatenate([one, u[:, :2]], axis=1)
    b, *_ = np.linalg.lstsq(by_head, others, rcond=None)
    residual = others - by_head @ b
    # u = lower @ noise with noise of (age, head given age, others given both): the covariance of both sexes.
    step = np.zeros((len(NAMES), len(NAMES)))
    step[0, 0] = 1.0
    step[1, :2] = a[2], 1.0
    step[2:, 0] = b[1] + b[2] * a[2]
    step[2:, 1] = b[2]
    step[2:, 2:] = np.eye(3)
    spread = np.zeros_like(step)
    spread[0, 0], spread[1, 1] = variance_age, variance_head
    spread[2:, 2:] = residual.T @ residual / (len(u) - 3)
    covariance = step @ spread @ step.T
    means = []
    for sex in range(len(SEXES)):
        mean_head = a[0] + a[1] * sex + a[2] * mean_age
        means.append(np.array([mean_age, mean_head, *(b[0] + b[1] * mean_age + b[2] * mean_head)]))
    return _model(np.array([0.5, 0.5]), np.array(means), np.stack([covariance, covariance]))
