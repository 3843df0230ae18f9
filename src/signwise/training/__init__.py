"""From pixels to model.onnx."""

from signwise.runtime import let_openmp_sleep

let_openmp_sleep()
