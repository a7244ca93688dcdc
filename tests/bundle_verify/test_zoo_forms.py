"""Forms that the configs of MONAI's model zoo use (31 bundles, October 2024): no false alarm.

The second list holds what is rightly reported: it downloads, deletes, unpacks, loads code or weights with pickles.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bundle_verify import Finding, verify

IMPORTS = [
    "$import glob",
    "$import os",
    "$import json",
    "$import numpy as np",
    "$import pandas as pd",
    "$import torch.distributed as dist",
    "$import logging",
    "$import datetime",
    "$import matplotlib.pyplot as plt",
    "$import functools",
    "$import pathlib",
    "$import skimage",
    "$import ignite",
    "$import monai.apps.deepedit.transforms",
    "$import torchvision",
    "$import torch_tensorrt",
    "$from pathlib import Path",
    "$from scipy import ndimage",
    "$from PIL import Image",
    "$from functools import partial",
    "$from monai.data.utils import list_data_collate",
    "$import scripts",
]
FORMS: list[Any] = [
    "$setattr(torch.backends.cudnn, 'benchmark', True)",
    "$monai.utils.set_determinism(seed=123)",
    "$torch.device('cuda:' + os.environ['LOCAL_RANK'])",
    "$torch.device(('cuda:' + os.environ.get('LOCAL_RANK', '0')) if torch.cuda.is_available() else 'cpu')",
    "$torch.device(f'cuda:{dist.get_rank()}')",
    "$torch.cuda.set_device(@device)",
    "$dist.is_initialized() or dist.init_process_group(backend='nccl')",
    "$dist.is_initialized() and dist.destroy_process_group()",
    "$@train#handlers[: -2 if dist.get_rank() > 0 else None]",
    "$@trainer.logger.setLevel(logging.WARNING if dist.get_rank() > 0 else logging.INFO)",
    "$logging.info('Data extracted to ' + @bundle_root)",
    "$monai.data.partition_dataset(data=@data, num_partitions=dist.get_world_size(), shuffle=True,)[dist.get_rank()]",
    "$list(sorted(glob.glob(os.path.join(@dataset_dir, 'train', '*', '*[!seg].jpg'))))[:7000]",
    "$[{'image': i, 'label': l} for i, l in zip(@images[:-10], @labels[:-10])]",
    "$[{**d, 'pred': os.path.join(@out, d['label'].split('/')[-1].split('.')[0] + '_t.nii.gz')} for d in @datalist]",
    "$[x.replace('.jpg', '_seg.jpg') for x in @images]",
    "$json.loads(pathlib.Path(@dataset_json).read_text())['training']",
    "$json.load(open(@data_json, 'r', encoding='utf8'))",
    "$Path(@output_dir).mkdir(exist_ok=True)",
    "$datetime.datetime.now().strftime('./results/output_%y%m%d_%H%M%S')",
    "$monai.handlers.from_engine(['loss'], first=True)",
    "$lambda x: monai.handlers.from_engine(['g_loss'], first=True)(x)[0]",
    "$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, 0))",
    "$lambda x, s: dict(idx=s._data_index, subject=x['filename_or_obj'])",
    "$lambda batchdata, *_,**__: (batchdata.to(@device),None,(),{})",
    "$lambda x: [@postprocessing({**xx['pred'],'image':xx['image']}) for xx in x]",
    '$lambda e: print(f\'{e.state.batch["image"].meta["name"][0]}\') if e.state.iteration % 100 == 0 else None',
    "$lambda x, s=@n: np.concatenate(tuple([ndimage.binary_dilation((x==_k), iterations=48) for _k in range(s)]))",
    "$lambda x: x.astype(x.dtype).astype(float)",
    "$lambda x: skimage.measure.label(x)",
    "$map(lambda t: dict(image=monai.transforms.concatenate(t), label=t[1]), zip(*@cache_datasets))",
    "$filter(lambda p: p.requires_grad, @network.parameters())",
    "$functools.partial(scripts.losses.generator_loss, disc_net=@dnetwork)",
    "$scripts.utils.compute_scale_factor(@autoencoder, @train#dataloader, @device)",
    "$@network_def.load_old_state_dict(torch.load(@path, weights_only=True))",
    "$@controlnet.load_state_dict(@checkpoint['controlnet_state_dict'], strict=True)",
    "$@generator.apply(monai.networks.normal_init).to(@device)",
    "$@gnetwork.conv.add_module('activation', torch.nn.Sigmoid())",
    "$@trainer.add_event_handler(ignite.engine.Events.ITERATION_COMPLETED, ignite.handlers.TerminateOnNan())",
    "$@detector.set_box_selector_parameters(score_thresh=0.02,topk_candidates_per_level=1000,nms_thresh=0.22)",
    "$@noise_scheduler.set_timesteps(num_inference_steps=50)",
    "$@preprocessing.set_random_state(123)",
    "$@handlers#0.set_trainer(trainer=@trainer) if @early_stop else None",
    "$@checkpointloader(@evaluator) if @load_pretrain else None",
    "$monai.networks.nets.resnet.resnet50(spatial_dims=3,n_input_channels=1,conv1_t_stride=[2,2,1])",
    "$monai.networks.utils.copy_model_state(@controlnet, @diffusion_unet.state_dict())",
    "$monai.apps.detection.networks.retinanet_network.resnet_fpn_feature_extractor(@backbone,3,False,[1,2],None)",
    "$monai.apps.detection.metrics.coco.COCOMetric(classes=['nodule'], iou_list=[0.1], max_detection=[100])",
    "$monai.data.load_decathlon_datalist(@path, data_list_key='testing', base_dir=@dataset_dir)",
    "$monai.auto3dseg.utils.datafold_read(datalist=@path, basedir=@dataset_dir, fold=@fold)[0]",
    "$monai.data.register_writer('json', scripts.ClassificationWriter)",
    "$monai.utils.CommonKeys.IMAGE",
    "$(monai.utils.GridSampleMode.BICUBIC, monai.utils.GridSampleMode.NEAREST)",
    "$torch.utils.data.Subset(@npz, @partitions[0])",
    "$not os.path.exists(@ckpt_path)",
    "$list_data_collate",
    "$print('Dice:', @evaluator.state.metric_details['val_mean_dice'].cpu().numpy())",
    "$plt.imshow(np.abs(@pair['image'][0, 0]), cmap=\"gray\")",
    "$Image.fromarray(@image, 'RGB')",
    "$lambda x: x.convert('RGB')",
    "$list(pd.read_csv(@dataset_dir + 'test.csv'))",
    "$@autoencoder.eval()",
    {"_target_": "LoadImaged", "keys": "image", "reader": "itkreader", "affine_lps_to_ras": True},
    {"_target_": "LoadImaged", "keys": "image", "reader": "$monai.data.PILReader", "converter": "$lambda x: x"},
    {"_target_": "LoadImage", "reader": None, "image_only": True},
    {"_target_": "PatchWSIDataset", "data": [], "patch_size": [1, 1], "reader": "@wsi_reader"},
    {"_target_": "SaveImaged", "keys": "pred", "output_dir": "eval", "output_name_formatter": "$lambda x, s: x"},
    {"_target_": "PersistentDataset", "data": [], "cache_dir": "$@bundle_root + '/cache'", "transform": "@a"},
    {"_target_": "NPZDictItemDataset", "npzfile": "a.npz", "keys": {"a": "b"}},
    {"_target_": "CSVDataset", "src": "a.csv", "kwargs_read_csv": {"dtype": {"a": "$str"}}},
    {"_target_": "CheckpointLoader", "load_path": "models/model.pt", "load_dict": {"model": "@network"}},
    {"_target_": "RandTorchVisiond", "keys": "image", "name": "ColorJitter", "brightness": 0.25},
    {"_target_": "ThreadDataLoader", "dataset": "@d", "num_workers": 0, "batch_size": 1, "shuffle": True},
    {"_target_": "RandZoomd", "keys": "image", "min": 0.9, "max": 1.1, "align_corners": None},
    {"_target_": "SwinUNETR", "img_size": 96, "in_channels": 1, "out_channels": 14},
    {"_target_": "monai.apps.generation.maisi.networks.autoencoderkl_maisi.AutoencoderKlMaisi", "spatial_dims": 3},
    {"_target_": "monai.apps.deepedit.transforms.AddGuidanceSignalDeepEditd", "keys": "image"},
    {"_target_": "SelectItemsd", "keys": ["image"]},
    {
        "_target_": "torch.nn.parallel.DistributedDataParallel",
        "module": "$@network.to(@device)",
        "device_ids": ["@device"],
    },
    {"_target_": "torch.utils.data.WeightedRandomSampler", "weights": "$torch.ones(len(@d))", "num_samples": 1},
    {"_target_": "scripts.valve_landmarks.NpySaverd", "keys": "pred", "output_dir": "eval"},
    {"_target_": "ignite.metrics.Accuracy", "output_transform": "$monai.handlers.from_engine(['pred', 'label'])"},
]
ALARMS: list[Any] = [
    "$torch.load(@path, weights_only=False)",
    "$torch.jit.load(@bundle_root + '/models/model.ts')",
    "$monai.networks.trt_compile(@network_def.to(@device), @path)",
    "$os.remove(os.path.join(@bundle_root, 'cases.zip'))",
    "$zipfile.ZipFile(@path, 'r').extractall(@bundle_root)",
    "$urllib.request.urlretrieve('https://example.org', @path)",
    "$@image.save(@output_dir + '/a.png')",
]


@pytest.fixture
def root(tmp_path) -> Path:
    for folder in ("configs", "scripts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "scripts" / "losses.py").write_text("")
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    return tmp_path


def findings_of(root: Path, content: dict[str, Any]) -> list[Finding]:
    (root / "configs" / "more.json").write_text(json.dumps(content))
    return [one for one in verify(root).findings if one.file == "configs/more.json"]


@pytest.mark.parametrize("place", ["imports", "initialize"])
def test_imports_pass_where_the_zoo_has_them(root, place):
    assert findings_of(root, {place: IMPORTS}) == []


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_of_the_zoo_passes(root, form):
    assert findings_of(root, {"imports": IMPORTS, "a": [form]}) == []


@pytest.mark.parametrize("form", ALARMS)
def test_what_the_zoo_does_beyond_is_reported(root, form):
    assert findings_of(root, {"imports": IMPORTS, "a": [form]})
