def place(
    object: Object,
    inside: Object | None = None,
    on: Object | None = None,
    beside: Object | None = None,
    at: Pose | None = None,
    side: Literal["any", "left", "right", "front", "behind"] = "any",
):
    """Put a held thing down: inside, on or beside another thing, or at a place. Picks it up if need be.

    Exactly one of: inside, on, beside, at.

    Args:
        object: What to put down.
        inside: The container it goes into.
        on: What it goes on top of.
        beside: What it goes next to.
        at: The place its centre goes over.
        side: With `beside`, on which side, as the robot sees it.
    """
    with retry(times=3):
        if needs_other_grasp(object):
            _set_down()
        if not is_holding(object):
            pick(object)
        spot = propose_placement(object, inside=inside, on=on, beside=beside, at=at, side=side)
        move_over(spot)
        ensure(is_holding(object))
        lower_to(spot)
        open_gripper()
        retreat()
        home()
        inspect(object)
        ensure(is_placed(object))


def _set_down():
    """Put what is held down on a free spot of the table."""
    with retry(times=2):
        spot = propose_rest()
        move_over(spot)
        lower_to(spot)
        open_gripper()
        retreat()
        home()
