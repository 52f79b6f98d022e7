"""Pools, batches and samplers made by hand, and strategies on the tiny dataset."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from helpers.device import DEVICE, on
from helpers.runs import HEADER, tiny_config, tiny_run
from scipy.stats import chisquare

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.history import HistoryIndex
from recbole_mdcns.negatives import ScoredPool
from recbole_mdcns.negatives.draws.pool import CandidateSampler

#: Sizes that the tiny dataset, 30 items, has room for.
SMALL: dict[str, dict] = {
    "adasir": {"adasir_sample_num": 8, "adasir_pool_num": 4},
    "gnno": {"neg_candidate_num": 5, "gnno_hard_num": 1, "gnno_max": 0.8, "gnno_pace": 0.1},
    "srns": {"srns_memory_num": 4, "srns_fresh_num": 3, "srns_warm_up": 1},
    "mixgcf_plus": {"neg_top_num": 3},
    "dns_plus": {"neg_top_num": 3},
}


#: Each user is shown one item, at time 3.
ONE_EXPOSURE = [f"u{user}\ti{user}\t3\n" for user in range(40)]


def write_exposures(lines=None):
    shown = lines or [f"u{user}\ti{(user * 7 + t * 3) % 30}\t{t}\n" for user in range(40) for t in range(12)]
    Path("data/tiny/tiny.exposed").write_text(HEADER + "".join(shown))


def prepared(name, **keys):
    write_exposures()
    run = tiny_run(neg_sampler=name, **{**SMALL.get(name, {}), **keys})
    run.trainer.prepare(run.train)
    return run


def make(kind, **keys):
    """Return a strategy of a class, not prepared for any data."""
    return kind(tiny_config(neg_sampler=f"{kind.__module__}:{kind.__name__}", **keys), DEVICE)


def uniformly(counts, expected=None):
    """Tell whether counts may be draws that are all equally likely, or as likely as given."""
    counts = torch.as_tensor(counts).double().cpu().numpy()
    share = np.ones(len(counts)) if expected is None else torch.as_tensor(expected).double().cpu().numpy()
    return chisquare(counts, counts.sum() * share / share.sum()).pvalue > 1e-3


def pool_of(run, batch, candidates=None):
    """Propose for a batch and score by the run's models, without dropout."""
    trainer = run.trainer
    candidates = trainer.strategy.propose(batch) if candidates is None else candidates
    encodings = [model.encode(batch) for model in trainer.scoring_models]
    items = torch.cat([batch.target[:, None], candidates], 1)
    scores = [model.score(h, items) for model, h in zip(trainer.scoring_models, encodings)]
    return ScoredPool(batch, candidates, encodings, [s[:, 0] for s in scores], [s[:, 1:] for s in scores])


def chosen_of(run, batch, candidates=None):
    for scoring_model in run.trainer.scoring_models:
        scoring_model.model.eval()
    return run.trainer.strategy.choose(pool_of(run, batch, candidates))


def batches_of(run, mode="row"):
    generator = torch.Generator().manual_seed(4)
    return list(TargetLoader(run.data, 50, mode, True, generator, DEVICE))


def scored_pool(model_num=2, target_num=6, candidate_num=10, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    encodings, positive, scores = [], [], []
    for _ in range(model_num):
        encodings.append(on(torch.randn(target_num, 4, generator=generator)))
        positive.append(on(torch.randn(target_num, generator=generator) * scale).requires_grad_())
        scores.append(on(torch.randn(target_num, candidate_num, generator=generator) * scale).requires_grad_())
    ids = on(torch.stack([torch.randperm(30, generator=generator)[:candidate_num] + 1 for _ in range(target_num)]))
    zeros = on(torch.zeros(target_num, dtype=torch.int64))
    return ScoredPool(TargetBatch(zeros, zeros + 40, zeros, zeros, zeros), ids, encodings, positive, scores)


def sampler_for(sequences, item_num, candidate_num, seed=0, exclude="history", places=None, trained=None):
    """Return a sampler over V = item_num items and a batch with one target of each sequence, of users 1, 2 and so on.

    ``places`` are those of the targets in their sequences, by default the last ones; ``trained`` is the length of each
    user's training sequence, by default the whole.
    """
    items = np.concatenate(sequences)
    lengths = [len(sequence) for sequence in sequences]
    begins = torch.tensor(np.cumsum([0, *lengths]))
    history = HistoryIndex(items, np.repeat(begins[:-1].numpy(), lengths), item_num + 1)
    user = torch.arange(1, len(sequences) + 1)
    last = begins[:-1] + torch.tensor(trained or lengths) - 1  # each user's last target in training
    dataset: Any = SimpleNamespace(
        uid_field="user_id", iid_field="item_id", user_num=len(sequences) + 1, item_num=item_num + 1, history=history,
        inter_feat={"user_id": user, "history_start": begins[:-1], "history_end": last},
    )  # fmt: skip
    end = begins[:-1] + torch.tensor(places or [length - 1 for length in lengths])
    target = torch.from_numpy(items)[end]
    batch = TargetBatch(on(user), on(target), on(begins[:-1]), on(end), on(user - 1))
    return CandidateSampler(dataset, candidate_num, seed, DEVICE, exclude), batch
