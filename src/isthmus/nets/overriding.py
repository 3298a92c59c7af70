"""What a class says of one of its methods, and of no other that a subclass puts in its place."""


def drop_outdated(cls: type, statement: str, methods: tuple[str, ...], instead: object) -> None:
    """Replace what a class inherits about methods that it, or a parent below, has overridden.

    An ONNX form is that of what the class beside it computes. A subclass that computes something else
    has none, until it defines its own.
    """

    def distance(name: str) -> int:
        return next(i for i, parent in enumerate(cls.__mro__) if name in vars(parent))

    if distance(statement) > min(distance(method) for method in methods):
        setattr(cls, statement, instead)
