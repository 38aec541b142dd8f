def pick(object: Object):
    """Grasp a thing and lift it clear of what it stands on; nothing to do if it is held already.

    Args:
        object: What to pick up.
    """
    with retry(times=3):
        if not is_holding(object):
            home()
            inspect(object)
            target = locate(object)
            grasp = propose_grasp(target)
            open_gripper(grasp)
            move_to_pregrasp(grasp)
            reach(grasp)
            close_gripper()
            lift(height=0.14)
            ensure(is_holding(target))
