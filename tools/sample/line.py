"""A line of the sample, together with its ground truth."""

from dataclasses import dataclass

Record = dict[str, str | int | None]


@dataclass(frozen=True)
class Line:
    """Hold one line of the sample with its ground truth.

    Attributes:
        raw: The bytes of the line, without the newline.
        subject: What the video is about; None when a reader must reject the line.
        language: ISO code of the title's language.
        defect: Why a reader must reject the line; None when the line is acceptable.
    """

    raw: bytes
    subject: str | None
    language: str = "en"
    defect: str | None = None


@dataclass
class Video:
    """Hold a record under construction, before it becomes a line."""

    record: Record
    subject: str
    language: str
