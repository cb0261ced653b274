import awkward as ak
import numpy as np
import pytest


def nanoaod_columns(n, seed=1):
    """Random columns with NanoAOD's names, as `hypotheta generate` writes them."""
    rng = np.random.default_rng(seed)

    def collection(name, mean, **others):
        counts = rng.poisson(mean, n)
        k = int(counts.sum())
        pt = 15 + rng.exponential(40, k)
        pt = pt[np.lexsort((-pt, np.repeat(np.arange(n), counts)))]
        fields = {"pt": pt, "eta": rng.normal(0, 1, k), "phi": rng.uniform(-3, 3, k), "mass": rng.uniform(0, 9, k)}
        columns = {field: values.astype(np.float32) for field, values in fields.items()}
        columns |= {field: make(k) for field, make in others.items()}
        return {f"{name}_{field}": ak.unflatten(values, counts) for field, values in columns.items()}

    def charge(k):
        return rng.choice([-1, 1], k).astype(np.int32)

    def btag(k):
        return rng.integers(0, 2, k).astype(np.uint8)

    def flavour(k):
        return rng.choice([0, 4, 5], k).astype(np.uint8)

    return {
        "run": np.ones(n, dtype=np.uint32),
        "luminosityBlock": np.full(n, 2, dtype=np.uint32),
        "event": np.arange(n, dtype=np.uint64) + np.uint64(2**60),
        "genWeight": rng.normal(1, 0.1, n).astype(np.float32),
        **collection("Jet", 5, btag=btag, hadronFlavour=flavour),
        **collection("Electron", 0.5, charge=charge),
        **collection("Muon", 0.5, charge=charge),
        "MET_pt": rng.exponential(40, n).astype(np.float32),
        "MET_phi": rng.uniform(-3, 3, n).astype(np.float32),
    }


@pytest.fixture
def columns():
    """One NanoAOD-named tree of 200 events."""
    return nanoaod_columns(200)
