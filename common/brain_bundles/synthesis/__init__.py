"""A synthetic data set at scale: shards of generated brains, shared by many processes and continued after any stop."""

from brain_bundles.synthesis.models import Models
from brain_bundles.synthesis.plan import Plan, Shard
from brain_bundles.synthesis.share import Share, share_of_this_process
from brain_bundles.synthesis.synthesise import synthesise

__all__ = ["Models", "Plan", "Shard", "Share", "share_of_this_process", "synthesise"]
