"""The classes of data: found, of a trained model, or of a run that is extended."""

from __future__ import annotations

from headstart.data.class_names import OpenClasses, classes_in, in_order


def test_names_are_sorted_as_people_do() -> None:
    """Numbers by value, others in natural order, each once."""
    assert in_order(["b10", "b9", "a", "a"]) == ("a", "b9", "b10")
    assert in_order(["-1", "10", "2", "0.5"]) == ("-1", "0.5", "2", "10")


def test_classes_of_a_model_stay_unless_they_are_open() -> None:
    """A trained model has its classes; a run that is extended gets the others too, after them."""
    assert classes_in(["z", "a"], None) == ("a", "z")
    assert classes_in(["z", "a"], ("b", "a")) == ("b", "a")
    assert classes_in(["z", "a", "c"], OpenClasses(["b", "a"])) == ("b", "a", "c", "z")
