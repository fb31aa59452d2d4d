"""The page that follows a microphone or a recording: served by `fusionser.serving`, or exported for a browser alone."""

from fusionser.page.card import card_sentences, training_text
from fusionser.page.contents import content_type, example, page_files

__all__ = ["card_sentences", "content_type", "example", "page_files", "training_text"]
