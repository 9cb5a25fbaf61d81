"""The sentences in the sources, for Babel and for the tests."""

import ast

# As babel.toml names them: each function's name and the places of its sentences.
KEYWORDS = "t tn:1,2 N_ Message InputError OperationError ModelFileError"


def calls(source):
    """Every call in ``source`` of a function that takes a sentence."""
    names = {keyword.partition(":")[0] for keyword in KEYWORDS.split()}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args:
            yield node


def literal(node):
    """The text of a string literal, None for any other expression."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def extract_python(fileobj, keywords, comment_tags, options):
    """Babel's interface of an extraction method. Its own for Python sees no call within an f-string."""
    for node in calls(fileobj.read()):
        yield node.lineno, node.func.id, tuple(map(literal, node.args)), []
