"""Ways to keep vectors in the embedded engine that `search_scale` compares, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import qdrant_edge as edge

DIMENSION = 384


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to build. `searches`: (ef, oversampling) pairs tried on what was built; oversampling 0: not rescored."""

    name: str
    datatype: str = "Float32"
    quantization: str = ""
    m: int = 0  # edges of a node of the HNSW graph; 0: no graph, every vector is compared
    ef_construct: int = 100
    searches: tuple[tuple[int, float], ...] = ((0, 0.0),)

    def config(self) -> edge.EdgeConfig:
        vector = edge.EdgeVectorParams(
            size=DIMENSION,
            distance=edge.Distance.Dot,
            datatype=getattr(edge.VectorStorageDatatype, self.datatype),
        )
        optimized = self.m > 0 or self.quantization
        return edge.EdgeConfig(
            vectors={"concat": vector},
            quantization_config=_QUANTIZATIONS[self.quantization] if self.quantization else None,
            hnsw_config=edge.HnswIndexConfig(m=self.m, ef_construct=self.ef_construct, full_scan_threshold=10),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=1 if optimized else 10**9, default_segment_number=1
            ),
        )

    def params(self, ef: int, oversampling: float) -> edge.SearchParams:
        """Of a quantised search: scored again on the stored vectors when `oversampling` is set."""
        quantized = edge.QuantizationSearchParams(
            rescore=oversampling > 0, oversampling=oversampling if oversampling > 0 else None
        )
        return edge.SearchParams(hnsw_ef=ef or None, quantization=quantized if self.quantization else None)


_QUANTIZATIONS: Mapping[
    str,
    edge.ScalarQuantizationConfig
    | edge.BinaryQuantizationConfig
    | edge.ProductQuantizationConfig
    | edge.TurboQuantQuantizationConfig,
] = {
    "int8": edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned),
    "binary": edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned),
    "product x16": edge.ProductQuantizationConfig(edge.CompressionRatio.X16, memory=edge.Memory.Pinned),
    "turbo 2 bits": edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits2, memory=edge.Memory.Pinned),
}

SETTINGS = (
    Setting("flat float32"),
    Setting("flat float16", "Float16"),
    Setting("flat turbo8", "Turbo8"),
    Setting("flat turbo4", "Turbo4"),
    Setting("flat int8, rescored", "Float16", "int8", searches=((0, 2.0),)),
    Setting("flat binary, rescored", "Float16", "binary", searches=((0, 4.0),)),
    Setting("flat product x16, rescored", "Float16", "product x16", searches=((0, 4.0),)),
    Setting("flat turbo 2 bits, rescored", "Float16", "turbo 2 bits", searches=((0, 2.0),)),
    Setting("hnsw m16 turbo8", "Turbo8", m=16, searches=((64, 0.0), (128, 0.0), (256, 0.0))),
    Setting(
        "hnsw m32 turbo8", "Turbo8", m=32, ef_construct=200, searches=((64, 0.0), (128, 0.0), (256, 0.0), (384, 0.0))
    ),
    Setting("hnsw m16 int8, rescored", "Float16", "int8", m=16, searches=((128, 2.0),)),
    Setting("hnsw m16 binary, rescored", "Float16", "binary", m=16, searches=((128, 4.0),)),
)
"""Grown with the catalogue: those of GROWN; the others at DETAILED sizes only."""

GROWN = frozenset({"flat float32", "flat turbo8", "hnsw m16 turbo8", "hnsw m32 turbo8"})
