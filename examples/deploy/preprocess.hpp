// Steps 4 and 5 of docs/deploy.md: RGB pixels, row by row, to uint8 (size, size, 3).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

struct Picture {
  std::vector<uint8_t> rgb;
  int width, height;
};

struct Filter {
  int first;
  std::vector<int32_t> taps;
};

inline Picture reduce(const Picture& in, int fx, int fy) {
  Picture out{{}, (in.width + fx - 1) / fx, (in.height + fy - 1) / fy};
  out.rgb.resize(size_t(out.width) * out.height * 3);
  for (int y = 0; y < out.height; y++)
    for (int x = 0; x < out.width; x++) {
      int x1 = std::min(in.width, (x + 1) * fx), y1 = std::min(in.height, (y + 1) * fy);
      uint32_t count = uint32_t(x1 - x * fx) * (y1 - y * fy), share = (1u << 24) / count;
      for (int c = 0; c < 3; c++) {
        uint32_t sum = count / 2;
        for (int v = y * fy; v < y1; v++)
          for (int u = x * fx; u < x1; u++) sum += in.rgb[(size_t(v) * in.width + u) * 3 + c];
        out.rgb[(size_t(y) * out.width + x) * 3 + c] = uint8_t((uint64_t(sum) * share) >> 24);
      }
    }
  return out;
}

inline std::vector<Filter> weights(int pixels, float length, int size) {
  double scale = double(length) / size, support = std::max(scale, 1.0);
  std::vector<Filter> filters;
  for (int i = 0; i < size; i++) {
    double centre = (i + 0.5) * scale, total = 0;
    int first = std::max(0, int(centre - support + 0.5));
    int end = std::min(pixels, int(centre + support + 0.5));
    std::vector<double> taps;
    for (int at = first; at < end; at++) {
      taps.push_back(std::max(0.0, 1 - std::abs((at - centre + 0.5) * (1 / support))));
      total += taps.back();
    }
    Filter filter{first, {}};
    for (double tap : taps) filter.taps.push_back(int32_t(0.5 + tap / total * (1 << 22)));
    filters.push_back(filter);
  }
  return filters;
}

inline Picture stretch(const Picture& in, const std::vector<Filter>& filters, bool across) {
  int size = int(filters.size());
  Picture out{{}, across ? size : in.width, across ? in.height : size};
  out.rgb.resize(size_t(out.width) * out.height * 3);
  for (int y = 0; y < out.height; y++)
    for (int x = 0; x < out.width; x++) {
      const Filter& filter = filters[across ? x : y];
      for (int c = 0; c < 3; c++) {
        int32_t sum = 1 << 21;
        for (int k = 0; k < int(filter.taps.size()); k++) {
          int u = across ? filter.first + k : x, v = across ? y : filter.first + k;
          sum += in.rgb[(size_t(v) * in.width + u) * 3 + c] * filter.taps[k];
        }
        out.rgb[(size_t(y) * out.width + x) * 3 + c] = uint8_t(std::clamp(sum >> 22, 0, 255));
      }
    }
  return out;
}

// Step 3, where the record's crop is center.
inline Picture center_square(const Picture& in) {
  int side = std::min(in.width, in.height);
  int left = (in.width - side) / 2, top = (in.height - side) / 2;
  Picture out{{}, side, side};
  for (int y = 0; y < side; y++) {
    auto row = in.rgb.begin() + (size_t(top + y) * in.width + left) * 3;
    out.rgb.insert(out.rgb.end(), row, row + size_t(side) * 3);
  }
  return out;
}

inline Picture preprocess(Picture in, int size) {
  int fx = std::max(1, int(double(in.width) / size / 2));
  int fy = std::max(1, int(double(in.height) / size / 2));
  float width = float(double(in.width) / fx), height = float(double(in.height) / fy);
  if (fx > 1 || fy > 1) in = reduce(in, fx, fy);
  auto across = weights(in.width, width, size), down = weights(in.height, height, size);
  bool tall = in.height > size && in.height - size > 2 * (in.width - size);
  if (tall) return stretch(stretch(in, down, false), across, true);
  return stretch(stretch(in, across, true), down, false);
}
