"""What networks on the columns of a table have in common, whether they answer with classes or with numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fusionser.networks.layers import Network
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.weights import pack_network, unpack_network

__all__ = ["TableNetwork"]


@dataclass(kw_only=True, eq=False, repr=False)
class TableNetwork(NetworkTraining):
    """A network on the columns of a table, trained with the parameters of `NetworkTraining`, and how it is saved."""

    PART: ClassVar[str]
    """File of the weights in a saved model."""

    def build_network(self, n_inputs: int, n_outputs: int) -> Network:
        """Build the network."""
        raise NotImplementedError

    def output_count(self) -> int:
        """Return the number of classes, or of targets, of the training rows."""
        raise NotImplementedError

    def check_network(self) -> None:
        """Raise `SettingsError` if a parameter of the network is outside its range."""
        raise NotImplementedError

    def check_parameters(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range."""
        self.check_training()
        self.check_network()

    def pack(self) -> dict[str, bytes]:
        """Remove the network and return it as safetensors, without the learning curve and the device."""
        part = pack_network(self.network_.float())
        del self.network_
        return {self.PART: part}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Restore the network.

        Raises
        ------
        ValueError
            If the weights do not fit this network with these columns and classes or targets.
        """
        self.check_parameters()
        self.network_ = unpack_network(self._build, parts[self.PART]).double()

    def _build(self) -> Network:
        return self.build_network(int(self.n_features_in_), self.output_count())
