// A model.onnx of signwise in C++17: c++ -std=c++17 classify.cpp -lonnxruntime
// ./a.out MODEL.onnx SIZE THRESHOLD WIDTH HEIGHT < PIXELS     (RGB bytes, row by row)
#include <onnxruntime_cxx_api.h>

#include <cstdio>
#include <cstdlib>

#include "preprocess.hpp"

int main(int, char** argument) {
  int size = std::atoi(argument[2]);
  float threshold = std::strtof(argument[3], nullptr);
  Picture picture{{}, std::atoi(argument[4]), std::atoi(argument[5])};
  picture.rgb.resize(size_t(picture.width) * picture.height * 3);
  if (std::fread(picture.rgb.data(), 1, picture.rgb.size(), stdin) != picture.rgb.size()) return 2;
  Picture input = preprocess(picture, size);

  Ort::Env environment;
  Ort::Session session(environment, argument[1], Ort::SessionOptions{});
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  int64_t shape[] = {1, size, size, 3};
  auto images = Ort::Value::CreateTensor<uint8_t>(
      memory, input.rgb.data(), input.rgb.size(), shape, 4);
  const char* names[] = {"images"};
  const char* answers[] = {"probabilities", "known"};
  auto found = session.Run(Ort::RunOptions{}, names, &images, 1, answers, 2);

  const float* probabilities = found[0].GetTensorData<float>();
  auto classes = found[0].GetTensorTypeAndShapeInfo().GetElementCount();
  float known = found[1].GetTensorData<float>()[0];
  auto best = std::max_element(probabilities, probabilities + classes) - probabilities;
  std::printf("class %td%s, known %g\n", best, known < threshold ? " refused: unknown" : "", known);
}
