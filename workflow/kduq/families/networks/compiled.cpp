// Full training of one network by Adam: at most one hidden ReLU layer, squared loss or cross-entropy.
//
// Rows of the data are in vector lanes: a matrix of M features is M times `stride` floats. Two loops
// do nearly all the work, `multiply` and `contract`; both keep a block of sums in registers. They
// take a function that uses a product or computes a factor, which saves a loop over the activations.
// All data of one student fit into the second-level cache, and students are computed one after the
// other: a student's bits depend on its own data alone.
//
// NaN is propagated through every step, so that a diverged student is detected.

#include "../native.hpp"

#include <cmath>
#include <utility>

namespace {

constexpr int tile = 3;  // vectors of rows whose sums `multiply` keeps in registers

/// Units whose bits share a number; blocks of units do not cross it.
constexpr Index word = 32;

inline Bits unit_bit(Index m) { return Bits{} + static_cast<std::int32_t>(1u << m % word); }

inline Vector positive(Vector value) { return value < 0 ? Vector{} : value; }

/// `value` where a ReLU's output is not zero.
inline Vector where_active(Vector activation, Vector value) {
    return (Vector)((Bits)value & ((Bits)activation != 0));
}

/// Exchange the blocks of H lanes off the diagonal in each square of 2H lanes of two vectors.
template <int H, int... J>
inline void exchange(Vector &first, Vector &second, std::integer_sequence<int, J...>) {
#if defined(__clang__)
    const Vector upper = __builtin_shufflevector(first, second, (J & H ? lanes + J - H : J)...);
    second = __builtin_shufflevector(first, second, (J & H ? lanes + J : J + H)...);
#else
    const Vector upper = __builtin_shuffle(first, second, Bits{(J & H ? lanes + J - H : J)...});
    second = __builtin_shuffle(first, second, Bits{(J & H ? lanes + J : J + H)...});
#endif
    first = upper;
}

/// Transpose a square of vectors.
template <int H = lanes / 2> inline void transpose(Vector (&square)[lanes]) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; i++)
        if (!(i & H))
            exchange<H>(square[i], square[i + H], std::make_integer_sequence<int, lanes>{});
    if constexpr (H > 1) transpose<H / 2>(square);
}

/// Sums of the lanes of each vector, in the vector of its number of the first one.
template <int H = lanes / 2> inline void add_halves(Vector (&square)[lanes]) {
#pragma GCC unroll 16
    for (int i = 0; i < H; i++) {
        exchange<H>(square[i], square[i + H], std::make_integer_sequence<int, lanes>{});
        square[i] += square[i + H];
    }
    if constexpr (H > 1) add_halves<H / 2>(square);
}

/// Sums of the lanes of `count` vectors, in the order of `total`: together they take a sixth of the
/// time.
template <int count> inline void totals(const Vector *sums, float *to) {
    for (int first = 0; first < count; first += lanes) {
        Vector square[lanes] = {};
#pragma GCC unroll 16
        for (int i = 0; i < lanes; i++)
            if (first + i < count) square[i] = sums[first + i];
        add_halves(square);
        float part[lanes];
        store(part, square[0]);
        for (int i = 0; i < lanes && first + i < count; i++) to[first + i] = part[i];
    }
}

// The blocks are not inlined, so that each has all registers to itself.

template <int M, class Use>
[[gnu::noinline]] void multiply_block(const float *weights, Index ld, Index depth, const float *x,
                                      Index stride, Index first, Index row, const Use &use) {
    Vector sum[tile][M] = {};
    for (Index k = 0; k < depth; k++) {
        Vector column[tile];
#pragma GCC unroll 4
        for (int t = 0; t < tile; t++) {
            column[t] = load(x + k * stride + row + t * lanes);
            hold(column[t]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < M; i++) {
            const float weight = weights[i * ld + k];
#pragma GCC unroll 4
            for (int t = 0; t < tile; t++) sum[t][i] += weight * column[t];
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < tile; t++) use(first, row + t * lanes, sum[t]);
}

/// Call `use(m, row, products)` with the products of weights (count, depth) and x (depth, stride), those
/// of up to four successive m at once.
template <class Use>
void multiply(const float *weights, Index ld, Index count, Index depth, const float *x,
              Index stride, const Use &use) {
    for (Index row = 0; row < stride; row += tile * lanes) {
        Index m = 0;
        for (; m + 4 <= count; m += 4)
            multiply_block<4>(weights + m * ld, ld, depth, x, stride, m, row, use);
        const float *rest = weights + m * ld;
        switch (count - m) {
        case 3: multiply_block<3>(rest, ld, depth, x, stride, m, row, use); break;
        case 2: multiply_block<2>(rest, ld, depth, x, stride, m, row, use); break;
        case 1: multiply_block<1>(rest, ld, depth, x, stride, m, row, use); break;
        }
    }
}

template <int M, int K>
[[gnu::noinline]] void contract_block(const float *left, const float *x, Index stride, float *out,
                                      Index ld) {
    Vector sum[M][K] = {};
    for (Index row = 0; row < stride; row += lanes) {
        Vector factor[M];
#pragma GCC unroll 4
        for (int i = 0; i < M; i++) {
            factor[i] = load(left + i * stride + row);
            hold(factor[i]);
        }
#pragma GCC unroll 4
        for (int j = 0; j < K; j++) {
            Vector column = load(x + j * stride + row);
            hold(column);
#pragma GCC unroll 4
            for (int i = 0; i < M; i++) sum[i][j] += factor[i] * column;
        }
    }
    float sums[M * K];
    totals<M * K>(&sum[0][0], sums);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < K; j++) out[i * ld + j] = sums[i * K + j];
}

template <int M>
void contract_columns(const float *left, Index depth, const float *x, Index stride, float *out,
                      Index ld) {
    const Index blocks = (depth + 3) / 4;
    for (Index b = 0; b < blocks; b++) {
        const Index k = depth * b / blocks;
        const float *columns = x + k * stride;
        switch (depth * (b + 1) / blocks - k) {
        case 4: contract_block<M, 4>(left, columns, stride, out + k, ld); break;
        case 3: contract_block<M, 3>(left, columns, stride, out + k, ld); break;
        case 2: contract_block<M, 2>(left, columns, stride, out + k, ld); break;
        case 1: contract_block<M, 1>(left, columns, stride, out + k, ld); break;
        }
    }
}

/// out (count, depth) = sums over rows of make(m, row) · x (depth, stride).
///
/// The factors of three m lie in `left` (3, stride) during the loop over all columns.
template <class Make>
void contract(Index count, Index depth, const float *x, Index stride, const Make &make, float *left,
              float *out, Index ld) {
    const Index blocks = (count + 2) / 3;
    for (Index b = 0; b < blocks; b++) {
        const Index m = count * b / blocks, made = count * (b + 1) / blocks - m;
        for (Index i = 0; i < made; i++)
            for (Index row = 0; row < stride; row += lanes)
                store(left + i * stride + row, make(m + i, row));
        switch (made) {
        case 3: contract_columns<3>(left, depth, x, stride, out + m * ld, ld); break;
        case 2: contract_columns<2>(left, depth, x, stride, out + m * ld, ld); break;
        case 1: contract_columns<1>(left, depth, x, stride, out + m * ld, ld); break;
        }
    }
}

/// to (count, stride) = the first `count` columns of some rows of `from`, whose rows have `width`
/// numbers. Whole rows are read and squares of them are transposed: single numbers, each to a place
/// of its own, take longer than the arithmetic of a softmax regression.
void collect(const float *from, Index width, Index count, const Index *rows, Index number, float *to,
             Index stride) {
    const auto start = [=](Index i) { return from + (rows ? rows[i] : i) * width; };
    Index done = 0;  // columns in squares
    while (done + lanes <= width && done + 4 <= count) done += lanes;
    const Index whole = number / lanes * lanes;
    for (Index i = 0; i < whole; i += lanes)
        for (Index k = 0; k < done; k += lanes) {
            Vector square[lanes];
#pragma GCC unroll 16
            for (int j = 0; j < lanes; j++) square[j] = load(start(i + j) + k);
            transpose(square);
            const Index last = count - k < lanes ? count - k : lanes;
            for (Index j = 0; j < last; j++) store(to + (k + j) * stride + i, square[j]);
        }
    for (Index i = 0; i < number; i++)
        for (Index k = i < whole ? done : 0; k < count; k++) to[k * stride + i] = start(i)[k];
}

float sum_of_rows(const float *values, Index stride) {
    Vector sum = {};
    for (Index row = 0; row < stride; row += lanes) sum += load(values + row);
    return total(sum);
}

/// Kingma & Ba 2015, algorithm 1.
void adam(float *__restrict parameters, float *__restrict first, float *__restrict second,
          const float *__restrict gradient, Index size, double learning_rate, Index step) {
    const float rate = learning_rate / (1 - std::pow(0.9, step));
    const float scale = 1 / std::sqrt(1 - std::pow(0.999, step));
    for (Index i = 0; i < size; i++) {
        first[i] += 0.1f * (gradient[i] - first[i]);
        second[i] = 0.999f * second[i] + 0.001f * (gradient[i] * gradient[i]);
        parameters[i] -= rate * first[i] / (std::sqrt(second[i]) * scale + 1e-8f);
    }
}

}  // namespace

/// order (epochs, rows): permutations of the rows by Durstenfeld's shuffle (1964, Communications of
/// the ACM 7, 420), from uniform numbers (epochs, numbers of an epoch).
extern "C" void kduq_shuffle(const std::uint32_t *numbers, Index of_epoch, Index rows, Index epochs,
                             Index *order) {
    for (; epochs > 0; epochs--, numbers += of_epoch, order += rows) {
        for (Index i = 0; i < rows; i++) order[i] = i;
        for (Index i = rows - 1; i > 0; i--)
            std::swap(order[i], order[static_cast<std::uint64_t>(numbers[i]) * (i + 1) >> 32]);
    }
}

/// Train one network in place.
///
/// x (rows, x_stride), of whose columns the first `inputs` count, the last of them ones; labels
/// (rows, labels_stride), the first `outputs`; weights (rows); order (steps, batch), the rows of every step, or null for all.
/// parameters: first layer (units, inputs), then last layer (outputs, hidden + 1) with its bias
/// last; without hidden units the first layer is the last. squared: the loss is Σ weight/2 ·
/// (output - label)² of one output and hidden units, else Σ weight · cross-entropy of a softmax.
/// record (1 + steps / record_every): the first parameter along training.
extern "C" void kduq_train(const float *x, Index x_stride, Index inputs, const float *labels,
                           Index labels_stride, Index outputs, const float *weights, const Index *order, Index batch,
                           Index steps, Index hidden, bool squared, double learning_rate,
                           Index record_every, float *parameters, float *record) {
    const Index block = tile * lanes;
    const Index stride = (batch + block - 1) / block * block;
    const Index units = hidden ? hidden : outputs;
    const Index size = units * inputs + (hidden ? outputs * (hidden + 1) : 0);
    // The squared loss keeps one bit per unit and row.
    const Index kept = squared ? (hidden + word - 1) / word : hidden, passed = squared ? 0 : hidden;
    const Buffer buffer(stride * (inputs + 2 * outputs + 4 + kept + passed) + 3 * size +
                        hidden * outputs);
    float *const columns = buffer;
    float *const target = columns + inputs * stride, *const output = target + outputs * stride;
    float *const weight = output + outputs * stride, *const left = weight + stride;
    float *const active = left + 3 * stride;
    float *const backward = active + kept * stride, *const gradient = backward + passed * stride;
    float *const moment_1 = gradient + size, *const moment_2 = moment_1 + size;
    float *const transposed = moment_2 + size;
    float *const last = parameters + units * inputs;
    float *const last_gradient = gradient + units * inputs;
    const Index ld = hidden + 1;

    *record++ = parameters[0];
    for (Index step = 1; step <= steps; step++) {
        if (order || step == 1) {
            // The last column is of ones, whatever the rows.
            collect(x, x_stride, inputs - (step > 1), order, batch, columns, stride);
            collect(labels, labels_stride, outputs, order, batch, target, stride);
            collect(weights, 1, 1, order, batch, weight, stride);
            if (order) order += batch;
        }
        if (squared) {
            // With one output, its weight is a factor of every contribution of a unit. The gradient
            // is computed without it, which also gives the gradient of the weight itself. Only one
            // bit per unit is needed, whether it is active, which stays in the cache.
            for (Index row = 0; row < stride; row++) output[row] = last[hidden];
            multiply(parameters, inputs, hidden, inputs, columns, stride,
                     [=](Index m, Index row, const auto &sums) {
                         Vector added = load(output + row);
                         float *const place = active + m / word * stride + row;
                         Bits bits = m % word ? (Bits)load(place) : Bits{};
                         for (const Vector &sum : sums) {
                             const Bits on = ~(Bits)(sum <= 0);
                             added += last[m] * (Vector)((Bits)sum & on);
                             bits |= on & unit_bit(m++);
                         }
                         store(place, (Vector)bits);
                         store(output + row, added);
                     });
            for (Index row = 0; row < stride; row++)
                output[row] = (output[row] - target[row]) * weight[row];
            contract(
                hidden, inputs, columns, stride,
                [=](Index m, Index row) {
                    const Bits bits = (Bits)load(active + m / word * stride + row);
                    const Bits mask = (bits & unit_bit(m)) != 0;
                    return (Vector)((Bits)load(output + row) & mask);
                },
                left, gradient, inputs);
            for (Index m = 0; m < hidden; m++) {
                float sum = 0;
                for (Index k = 0; k < inputs; k++) {
                    sum += parameters[m * inputs + k] * gradient[m * inputs + k];
                    gradient[m * inputs + k] *= last[m];
                }
                last_gradient[m] = sum;
            }
            last_gradient[hidden] = sum_of_rows(output, stride);
        } else {
            if (hidden) {
                multiply(parameters, inputs, hidden, inputs, columns, stride,
                         [=](Index m, Index row, const auto &sums) {
                             for (const Vector &sum : sums)
                                 store(active + m++ * stride + row, positive(sum));
                         });
                multiply(last, ld, outputs, hidden, active, stride,
                         [=](Index c, Index row, const auto &sums) {
                             for (const Vector &sum : sums) {
                                 store(output + c * stride + row, sum + last[c * ld + hidden]);
                                 c++;
                             }
                         });
            } else {
                multiply(parameters, inputs, outputs, inputs, columns, stride,
                         [=](Index c, Index row, const auto &sums) {
                             for (const Vector &sum : sums)
                                 store(output + c++ * stride + row, sum);
                         });
            }
            // The gradient with respect to the logits is weight · (probability - label).
            for (Index row = 0; row < stride; row += lanes) {
                Vector largest = load(output + row), sum = {};
                for (Index c = 1; c < outputs; c++) {
                    const Vector logit = load(output + c * stride + row);
                    largest = largest < logit ? logit : largest;
                }
                for (Index c = 0; c < outputs; c++) {
                    float *const place = output + c * stride + row;
                    const Vector odds = exponential(load(place) - largest);
                    sum += odds;
                    store(place, odds);
                }
                const Vector scale = 1 / sum, share = load(weight + row);
                for (Index c = 0; c < outputs; c++) {
                    float *const place = output + c * stride + row;
                    const Vector label = load(target + c * stride + row);
                    store(place, (load(place) * scale - label) * share);
                }
            }
            const auto error = [=](Index c, Index row) { return load(output + c * stride + row); };
            if (hidden) {
                contract(outputs, hidden, active, stride, error, left, last_gradient, ld);
                for (Index c = 0; c < outputs; c++) {
                    last_gradient[c * ld + hidden] = sum_of_rows(output + c * stride, stride);
                    for (Index m = 0; m < hidden; m++)
                        transposed[m * outputs + c] = last[c * ld + m];
                }
                multiply(transposed, outputs, hidden, outputs, output, stride,
                         [=](Index m, Index row, const auto &sums) {
                             for (const Vector &sum : sums) {
                                 const Index place = m++ * stride + row;
                                 store(backward + place, where_active(load(active + place), sum));
                             }
                         });
                contract(
                    hidden, inputs, columns, stride,
                    [=](Index m, Index row) { return load(backward + m * stride + row); }, left,
                    gradient, inputs);
            } else {
                contract(outputs, inputs, columns, stride, error, left, gradient, inputs);
            }
        }
        adam(parameters, moment_1, moment_2, gradient, size, learning_rate, step);
        if (record_every && step % record_every == 0) *record++ = parameters[0];
    }
}
