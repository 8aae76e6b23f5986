"""How many words of a transcript are wrong."""

from core.media.stt_guards import plain


def word_errors(said: str, heard: str) -> int:
    """Words put in, left out or changed (Levenshtein), without regard to case and punctuation."""
    wanted, found = plain(said).split(), plain(heard).split()
    row = list(range(len(found) + 1))
    for place, word in enumerate(wanted, 1):
        before, row[0] = row[0], place
        for column, other in enumerate(found, 1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (word != other))
    return row[-1]
