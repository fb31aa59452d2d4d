"""The feature blocks and front ends of fusionser that need no other package and no pretrained model."""

from fusionser.features import BLOCKS, LearnedBlock
from fusionser.registry import FRONT_ENDS


def _own(registry):
    return {
        name: kind
        for name, kind in registry.items()
        if "external" not in kind.__module__ and not issubclass(kind, LearnedBlock)
    }


OWN_BLOCKS, OWN_FRONT_ENDS = _own(BLOCKS), _own(FRONT_ENDS)
AUDIO_BLOCKS = {name: kind for name, kind in OWN_BLOCKS.items() if kind.uses_audio}
