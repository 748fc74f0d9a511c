from rawserver.simulation.overlay import Overlay


def test_changes_go_in_any_order_and_leave_what_was() -> None:
    seen: list[int] = []
    overlay = Overlay(10, seen.append)
    end_first = overlay.add(lambda value: value * 2)
    end_second = overlay.add(lambda value: value + 1)
    end_first()
    end_second()
    assert seen == [20, 21, 11, 10]


def test_two_changes_alike_are_two() -> None:
    seen: list[int] = []
    overlay = Overlay(1, seen.append)

    def double(value: int) -> int:
        return value * 2

    end = overlay.add(double)
    overlay.add(double)
    end()
    assert seen == [2, 4, 2]
