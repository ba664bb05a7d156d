"""Caffe's losses against torch's and against loops that say what they mean."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.autograd import gradcheck

from convscope import caffe
from convscope.errors import ConvscopeWarning, InputError
from convscope.network.operations import losses

SCORES = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 5, 2, 3)))
LABELS = torch.from_numpy(np.random.default_rng(1).integers(5, size=(6, 1, 2, 3)).astype(float))
FLAT = SCORES[:, :, 0, 0]
FLAT_LABELS = LABELS[:, :, 0, 0]


class TestSoftmaxWithLoss:
    def test_the_mean_of_the_positions(self):
        expected = F.cross_entropy(SCORES, LABELS[:, 0].long())
        torch.testing.assert_close(losses.softmax_with_loss(SCORES, LABELS), expected)

    def test_a_second_top_has_the_probabilities(self):
        _, probabilities = losses.softmax_with_loss(SCORES, LABELS, tops=2)
        torch.testing.assert_close(probabilities, SCORES.softmax(1))

    def test_ignored_labels(self):
        expected = F.cross_entropy(SCORES, LABELS[:, 0].long(), ignore_index=2)
        torch.testing.assert_close(losses.softmax_with_loss(SCORES, LABELS, ignore_label=2), expected)
        void = LABELS.where(LABELS != 2, 255)
        torch.testing.assert_close(losses.softmax_with_loss(SCORES, void, ignore_label=255), expected)

    @pytest.mark.parametrize(
        ("how", "divisor"), [("FULL", 36), ("BATCH_SIZE", 6), ("NONE", 1), ("VALID", 36)]
    )
    def test_what_it_is_divided_by(self, how, divisor):
        total = F.cross_entropy(SCORES, LABELS[:, 0].long(), reduction="sum")
        found = losses.softmax_with_loss(SCORES, LABELS, normalization=how)
        torch.testing.assert_close(found, total / divisor)

    def test_equal_scores_begin_at_the_logarithm_of_the_classes(self):
        assert float(losses.softmax_with_loss(torch.zeros(4, 5), torch.zeros(4))) == pytest.approx(np.log(5))

    def test_wrong_labels(self):
        with pytest.raises(InputError, match=r"from 0 to 4; found 0 to 5"):
            losses.softmax_with_loss(FLAT, torch.arange(6.0))
        with pytest.raises(InputError, match=r"5 labels for 6 predictions"):
            losses.softmax_with_loss(FLAT, torch.zeros(5))


class TestOtherLosses:
    def test_sigmoid_cross_entropy(self):
        target = torch.rand(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        expected = F.binary_cross_entropy_with_logits(FLAT, target, reduction="sum") / 6
        torch.testing.assert_close(losses.sigmoid_cross_entropy_loss(FLAT, target), expected)

    def test_euclidean(self):
        expected = ((FLAT - FLAT.flip(0)) ** 2).sum() / 12
        torch.testing.assert_close(losses.euclidean_loss(FLAT, FLAT.flip(0)), expected)
        with pytest.raises(InputError, match=r"30 predictions"):
            losses.euclidean_loss(FLAT, FLAT[:3])

    @pytest.mark.parametrize("norm", ["L1", "L2"])
    def test_hinge(self, norm):
        total = 0.0
        for row, label in zip(FLAT, FLAT_LABELS, strict=True):
            for at, score in enumerate(row):
                margin = max(0.0, 1 - float(score) if at == int(label) else 1 + float(score))
                total += margin if norm == "L1" else margin**2
        assert float(losses.hinge_loss(FLAT, FLAT_LABELS, norm=norm)) == pytest.approx(total / 6)

    def test_multinomial_logistic(self):
        found = losses.multinomial_logistic_loss(FLAT.softmax(1), FLAT_LABELS)
        torch.testing.assert_close(found, F.cross_entropy(FLAT, FLAT_LABELS[:, 0].long()))

    @pytest.mark.parametrize("legacy", [False, True])
    def test_contrastive(self, legacy):
        one, two, similar = FLAT, FLAT.flip(0), torch.tensor([1.0, 0, 1, 0, 0, 1])
        total = 0.0
        for a, b, same in zip(one, two, similar, strict=True):
            squared = float(((a - b) ** 2).sum())
            apart = max(0.0, 3 - squared) if legacy else max(0.0, 3 - squared**0.5) ** 2
            total += squared if same else apart
        found = losses.contrastive_loss(one, two, similar, margin=3, legacy=legacy)
        assert float(found) == pytest.approx(total / 12)

    def test_gradients(self):
        scores = FLAT.clone().requires_grad_()
        functions = [
            lambda x: losses.softmax_with_loss(x, FLAT_LABELS),
            lambda x: losses.sigmoid_cross_entropy_loss(x, FLAT.sigmoid()),
            lambda x: losses.euclidean_loss(x, FLAT.flip(0)),
            lambda x: losses.hinge_loss(x, FLAT_LABELS, norm="L2"),
            lambda x: losses.multinomial_logistic_loss(x.softmax(1), FLAT_LABELS),
            lambda x: losses.contrastive_loss(x, FLAT.flip(0), torch.tensor([1.0, 0, 1, 0, 0, 1]), margin=9),
        ]
        assert all(gradcheck(function, (scores,)) for function in functions)

    def test_equal_pairs_have_a_gradient_too(self):
        pair = FLAT.clone().requires_grad_()
        losses.contrastive_loss(pair, FLAT, torch.zeros(6)).backward()
        assert torch.isfinite(pair.grad).all()


class TestAccuracy:
    def brute(self, scores, labels, top_k=1, ignored=None):
        right = counted = 0
        for row, label in zip(scores.tolist(), labels.flatten().tolist(), strict=True):
            if label != ignored:
                counted += 1
                right += sum(score >= row[int(label)] for score in row) <= top_k
        return right / counted

    @pytest.mark.parametrize("top_k", [1, 2, 3])
    def test_among_the_best(self, top_k):
        found = losses.accuracy(FLAT, FLAT_LABELS, top_k=top_k)
        assert float(found) == pytest.approx(self.brute(FLAT, FLAT_LABELS, top_k))

    def test_over_positions_with_ignored_labels(self):
        rows, labels = SCORES.movedim(1, -1).reshape(-1, 5), LABELS.movedim(1, -1).reshape(-1)
        found = losses.accuracy(SCORES, LABELS, ignore_label=3)
        assert float(found) == pytest.approx(self.brute(rows, labels, ignored=3))
        assert float(losses.accuracy(FLAT, torch.full((6,), 3.0), ignore_label=3)) == 0

    def test_equal_scores_are_not_right(self):
        assert float(losses.accuracy(torch.zeros(2, 3), torch.tensor([0.0, 1.0]))) == 0
        assert float(losses.accuracy(torch.zeros(2, 3), torch.tensor([0.0, 1.0]), top_k=3)) == 1

    def test_of_each_class(self):
        scores = torch.eye(3)[[0, 1, 1, 2]]
        overall, each = losses.accuracy(scores, torch.tensor([0.0, 1.0, 0.0, 0.0]), tops=2)
        assert float(overall) == 0.5
        assert each.tolist() == pytest.approx([1 / 3, 1, 0])


class TestInNets:
    TEXT = """
    layer {{ name: "in" type: "Input" top: "scores" top: "label"
      input_param {{ shape {{ dim: 6 dim: 5 }} shape {{ dim: 6 }} }} }}
    layer {{ name: "loss" type: "{0}" bottom: "scores" bottom: "label" top: "loss" {1} }}
    layer {{ name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" }}
    """

    def net(self, folder, *words):
        path = folder / "net.prototxt"
        path.write_text(self.TEXT.format(*words))
        return caffe.Net(str(path), caffe.TEST)

    @pytest.mark.parametrize(
        ("kind", "settings", "function"),
        [
            ("SoftmaxWithLoss", "", losses.softmax_with_loss),
            (
                "SoftmaxWithLoss",
                "loss_param { normalize: false }",
                lambda s, t: losses.softmax_with_loss(s, t, normalization="BATCH_SIZE"),
            ),
            ("HingeLoss", "hinge_loss_param { norm: L2 }", lambda s, t: losses.hinge_loss(s, t, norm="L2")),
        ],
    )
    def test_loss_and_its_gradient(self, tmp_path, kind, settings, function):
        net = self.net(tmp_path, kind, settings + " loss_weight: 2")
        assert net.outputs == ["accuracy", "loss"]
        scores, label = FLAT.float(), FLAT_LABELS[:, 0].float()
        answer = net.forward(scores=scores.numpy(), label=label.numpy())
        leaf = scores.clone().requires_grad_()
        expected = function(leaf, label)
        (2 * expected).backward()
        assert float(answer["loss"]) == pytest.approx(float(expected.detach()), rel=1e-6)
        assert float(answer["accuracy"]) == pytest.approx(float(losses.accuracy(scores, label)))
        assert net._forward(0, len(net.layers) - 1) == pytest.approx(2 * float(expected.detach()), rel=1e-6)
        np.testing.assert_allclose(net.backward()["scores"], leaf.grad, rtol=1e-4, atol=1e-6)
        assert not net.blobs["label"].diff.any()

    def test_a_loss_convscope_does_not_compute_says_so(self, tmp_path):
        with pytest.warns(ConvscopeWarning, match=r"InfogainLoss.*stay zero"):
            net = self.net(tmp_path, "InfogainLoss", "")
        assert float(net.forward()["loss"]) == 0

    def test_losses_of_2014_name_no_top(self, tmp_path):
        path = tmp_path / "net.prototxt"
        path.write_text(
            """input: "scores" input_dim: 6 input_dim: 5 input_dim: 1 input_dim: 1
            input: "label" input_dim: 6 input_dim: 1 input_dim: 1 input_dim: 1
            layers { name: "loss" type: SOFTMAX_LOSS bottom: "scores" bottom: "label" }
            layers { name: "hinge" type: HINGE_LOSS bottom: "scores" bottom: "label" }
            layers { name: "right" type: ACCURACY bottom: "scores" bottom: "label" }"""
        )
        net = caffe.Net(str(path), caffe.TRAIN)
        assert list(net.top_names.values())[-3:] == [["(automatic)"]] * 3
        assert "(automatic)" in net.blobs
        assert net.outputs == []
        scores, label = FLAT.float(), FLAT_LABELS[:, 0].float()
        assert (
            net.forward(scores=scores.numpy()[..., None, None], label=label.numpy().reshape(6, 1, 1, 1)) == {}
        )
        leaf = scores.clone().requires_grad_()
        expected = losses.softmax_with_loss(leaf, label) + losses.hinge_loss(leaf, label)
        expected.backward()
        assert net._forward(0, len(net.layers) - 1) == pytest.approx(float(expected.detach()), rel=1e-6)
        np.testing.assert_allclose(net.backward()["scores"][..., 0, 0], leaf.grad, rtol=1e-4, atol=1e-6)
        net.save(str(tmp_path / "saved"))
        assert b"automatic" not in (tmp_path / "saved").read_bytes()
