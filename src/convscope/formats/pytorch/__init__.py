"""PyTorch: live modules, torchvision's and timm's networks by name, checkpoints."""
