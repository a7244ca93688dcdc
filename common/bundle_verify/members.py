"""Attributes and methods that a config may use on any object, with the arguments of the methods.

A name is here because it does no harm on any object that a known component can give: none leads to a module, and none
writes, deletes, loads or runs more than an engine.
"""

from __future__ import annotations

from bundle_verify.component import Component

# The arguments are written as in known_components.json.
METHODS = {
    name: Component.from_text(name, text)
    for name, text in {
        # networks, tensors and arrays
        "add_module": "name module",
        "apply": "fn:function",
        "argmax": "dim keepdim axis",
        "astype": "dtype",
        "clone": "",
        "contiguous": "",
        "copy": "",
        "cpu": "",
        "cuda": "device non_blocking",
        "detach": "",
        "eval": "",
        "flatten": "start_dim end_dim",
        "float": "",
        "half": "",
        "item": "",
        "load_old_state_dict": "old_state_dict verbose",
        "load_state_dict": "state_dict strict",
        "long": "",
        "max": "dim keepdim axis",
        "mean": "dim keepdim axis",
        "min": "dim keepdim axis",
        "named_parameters": "prefix recurse",
        "numel": "",
        "numpy": "",
        "parameters": "recurse",
        "permute": "...",
        "requires_grad_": "requires_grad",
        "reshape": "...",
        "size": "dim",
        "squeeze": "dim axis",
        "state_dict": "",
        "std": "dim keepdim axis",
        "sum": "dim keepdim axis",
        "to": "... * dtype device non_blocking memory_format",
        "tolist": "",
        "train": "mode",
        "transpose": "...",
        "unsqueeze": "dim",
        "view": "...",
        # engines, loaders, transforms, schedulers, detectors
        "add_event_handler": "event_name handler:function ...",
        "attach": "engine",
        "run": "",
        "set_atss_matcher": "num_candidates center_in_gt",
        "set_box_selector_parameters": "score_thresh topk_candidates_per_level nms_thresh detections_per_img",
        "set_hard_negative_sampler": "batch_size_per_image positive_fraction min_neg pool_size",
        "set_random_state": "seed",
        "set_sliding_window_inferer": "roi_size sw_batch_size overlap mode sigma_scale padding_mode cval device",
        "set_target_keys": "box_key label_key",
        "set_timesteps": "num_inference_steps device",
        "set_trainer": "trainer",
        "setLevel": "level",
        # texts, lists, dictionaries, times, paths
        "close": "",
        "convert": "mode",
        "count": "value",
        "endswith": "suffix",
        "get": "key default",
        "index": "value",
        "items": "",
        "join": "iterable",
        "keys": "",
        "lower": "",
        "lstrip": "chars",
        "mkdir": "* parents exist_ok",
        "read_text": "encoding",
        "replace": "old new:given count",  # with one argument it would be a path's, which moves a file
        "rstrip": "chars",
        "split": "sep maxsplit",
        "startswith": "prefix",
        "strftime": "format",
        "strip": "chars",
        "title": "",
        "upper": "",
        "values": "",
        "zfill": "width",
        # this collection
        "encode_table": "table",
        "finish": "",
        "freeze_encoder": "frozen",
        "pending": "batch_size",
        "raise_skipped": "",
        "to_slices": "",
    }.items()
}
_WORDS = """
_data_index affine batch best_metric device dtype epoch epoch_length imag iteration logger max_epochs meta
metric_details metrics module name ndim network output parent rank real requires_grad shape state stem suffix type
autoencoder conv data dataset dataset_dir names optimizer sampler scaler scheduler transforms
adaptive_autoencoder bids bounds correction edges ema_network encoding generator made preconditioning problems
provenance reader record settings to_source to_target use_source
"""
ATTRIBUTES = frozenset(_WORDS.split())
