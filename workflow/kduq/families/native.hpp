// Vectors of single precision, shared by the families' C++ sources.

#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <new>

namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

using Index = std::int64_t;
typedef float Vector __attribute__((vector_size(4 * lanes)));
typedef std::int32_t Bits __attribute__((vector_size(4 * lanes)));

inline Vector load(const float *from) {
    Vector value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(float *to, Vector value) { std::memcpy(to, &value, sizeof value); }

inline float total(Vector value) {
    float part[lanes];
    store(part, value);
    for (int half = lanes / 2; half; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
}

/// exp of numbers not above zero, to two units in the last place.
inline Vector exponential(Vector value) {
    const float shift = 12582912;  // 1.5 · 2²³: adding it rounds to an integer
    value = value < -87 ? Vector{} - 87 : value;
    const Vector shifted = value * 1.44269504f + shift;
    const Vector power = shifted - shift;
    // ln 2 in two parts, the first short enough for its product with the power to be exact.
    const Vector rest = (value - power * 0.693359375f) + power * 2.12194440e-4f;
    Vector sum = rest * (1.0f / 5040) + 1.0f / 720;
    for (const float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        sum = sum * rest + coefficient;
    const Bits exponent = (Bits)shifted - (Bits)(Vector{} + shift) + 127;
    return sum * (Vector)(exponent << 23);
}

/// Zeroed floats on a cache line's boundary.
class Buffer {
  public:
    explicit Buffer(Index size)
        : data(static_cast<float *>(::operator new(4 * size + 64, std::align_val_t(64)))) {
        std::memset(data, 0, 4 * size + 64);
    }
    Buffer(const Buffer &) = delete;
    ~Buffer() { ::operator delete(data, std::align_val_t(64)); }
    operator float *() const { return data; }

  private:
    float *const data;
};

/// Keep a value in a register: otherwise compilers read it from memory for each of its uses, and the
/// loops that multiply wait for memory.
inline void hold(Vector &value) {
#if defined(__x86_64__)
    asm("" : "+v"(value));
#else
    (void)value;
#endif
}

}  // namespace
