def open(part: Object, to: Annotated[float, Range(0.1, 1.0)] = 0.9):
    """Open a drawer or a door by its handle; one that already is as open as asked is left alone.

    Args:
        part: The drawer or door.
        to: How far, as a share of its full range.
    """
    with retry(times=4):
        home()
        target = locate(part)
        if not is_opened(target, to=to):
            joint = joint_of(target)
            grasp = propose_lead_grasp(target, joint, to=to)
            open_gripper(grasp)
            move_to_pregrasp(grasp)
            reach(grasp)
            clasp()
            led = explore_joint(joint)
            follow_joint(led, target, to=to)
            open_gripper()
            retreat(distance=0.08)
            home()
        ensure(is_opened(target, to=to))


def close(part: Object):
    """Close a drawer or a door by its handle, or push it shut where its handle cannot be led.

    One that is measured to be shut is left alone: nothing would give way to the hand.

    Args:
        part: The drawer or door.
    """
    with fallback():
        with retry(times=3):
            home()
            target = locate(part)
            if not is_closed(target):
                joint = joint_of(target)
                grasp = propose_lead_grasp(target, joint, to=0.0)
                open_gripper(grasp)
                move_to_pregrasp(grasp)
                reach(grasp)
                clasp()
                led = explore_joint(joint, opening=False)
                follow_joint(led, target, to=0.0)
                open_gripper()
                retreat(distance=0.08)
                home()
            ensure(is_closed(target))
        with retry(times=3):
            home()
            target = locate(part)
            joint = joint_of(target)
            close_fingers()
            push_shut(target, joint)
            retreat(distance=0.08)
            home()
            ensure(is_closed(target))


def press(button: Object):
    """Press a button home with closed fingers, and let it go.

    Args:
        button: The button.
    """
    with retry(times=2):
        home()
        target = locate(button)
        close_fingers()
        move_above(target)
        press_down(target)
        lift(height=0.1)
        home()
        ensure(is_pressed(target))


def turn(knob: Object, angle: Annotated[float, Range(-3.2, 3.2), Unit("rad")] = 1.57):
    """Turn a knob with the hand.

    Args:
        knob: The knob.
        angle: How far, counter-clockwise seen from above.
    """
    with retry(times=3):
        home()
        target = locate(knob)
        grasp = propose_twist_grasp(target, angle)
        open_gripper(grasp)
        move_to_pregrasp(grasp)
        reach(grasp)
        clasp()
        twist(target)
        open_gripper()
        retreat()
        home()
        ensure(is_turned(target))


def push(
    object: Object,
    direction: Literal["left", "right", "forward", "backward"],
    distance: Annotated[float, Range(0.02, 0.3), Unit("m")] = 0.1,
):
    """Push a thing over the table with closed fingers.

    Args:
        object: The thing.
        direction: As the robot sees it.
        distance: How far it should go.
    """
    with retry(times=2):
        home()
        target = locate(object)
        close_fingers()
        push_along(target, object, direction=direction, distance=distance)
        home()
        ensure(is_displaced(object, direction=direction, distance=distance))
