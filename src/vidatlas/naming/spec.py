"""What a recipe says about names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class NamingSpec(BaseModel):
    """Choose how subcategories are named and illustrated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["words", "members"] = "words"
    """What names are made of. "words": what texts say, by class-based TF-IDF; "members": the titles of the most
    frequent records (``record.count``), for recipes whose records are single words."""
    name_terms: Annotated[int, Field(ge=1)] = 3
    """Terms that a name has at most."""
    terms: Annotated[int, Field(ge=1)] = 10
    """Terms that are kept with their scores; a name is made of these."""
    sample: Annotated[int, Field(ge=1, le=10_000)] = 300
    """Videos of a subcategory that are read for its name: all of a smaller one, else those whose ids hash lowest."""
    exemplars: Annotated[int, Field(ge=0)] = 5
    """Videos nearest to the centroid that are listed."""
