// A GPT-2 on the processor: training by AdamW, and logits of new tokens.
//
// Tokens of all rows lie one after the other, without padding. Each has the list of the tokens that
// it sees, so that a row may be a tree (packing.py) and a sampled token may continue any other. In
// the last layer only queries, the tokens that predict, have more than a key and a value.
//
// A token's numbers depend on the tokens that it sees alone: every sum has the same order whatever
// the other rows. NaN is propagated, so that a diverged student is detected.

#include "../native.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace {

using Token = std::int32_t;

constexpr int rows_at_once = 6;
constexpr int vectors_at_once = lanes == 16 ? 4 : 2;

/// A matrix that is read number by number: element (i, k) lies at i * row + k * column.
struct Strided {
    const float *data;
    Index row, column;
};

template <int M, int N>
[[gnu::noinline]] void multiply_block(Strided a, Index depth, const float *b, Index ldb, float *c,
                                      Index ldc, const float *bias, bool add) {
    Vector sum[M][N];
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            sum[i][j] = add    ? load(c + i * ldc + j * lanes)
                        : bias ? load(bias + j * lanes)
                               : Vector{};
    for (Index k = 0; k < depth; k++) {
        Vector row[N];
#pragma GCC unroll 4
        for (int j = 0; j < N; j++) {
            row[j] = load(b + k * ldb + j * lanes);
            hold(row[j]);
        }
#pragma GCC unroll 6
        for (int i = 0; i < M; i++) {
            const float factor = a.data[i * a.row + k * a.column];
#pragma GCC unroll 4
            for (int j = 0; j < N; j++) sum[i][j] += factor * row[j];
        }
    }
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) store(c + i * ldc + j * lanes, sum[i][j]);
}

template <int N>
void multiply_columns(Strided a, Index count, Index depth, const float *b, Index ldb, float *c,
                      Index ldc, const float *bias, bool add) {
    Index i = 0;
    const auto from = [&] { return Strided{a.data + i * a.row, a.row, a.column}; };
    for (; i + rows_at_once <= count; i += rows_at_once)
        multiply_block<rows_at_once, N>(from(), depth, b, ldb, c + i * ldc, ldc, bias, add);
    switch (count - i) {
    case 5: multiply_block<5, N>(from(), depth, b, ldb, c + i * ldc, ldc, bias, add); break;
    case 4: multiply_block<4, N>(from(), depth, b, ldb, c + i * ldc, ldc, bias, add); break;
    case 3: multiply_block<3, N>(from(), depth, b, ldb, c + i * ldc, ldc, bias, add); break;
    case 2: multiply_block<2, N>(from(), depth, b, ldb, c + i * ldc, ldc, bias, add); break;
    case 1: multiply_block<1, N>(from(), depth, b, ldb, c + i * ldc, ldc, bias, add); break;
    }
}

/// c (count, columns) = a (count, depth) · b (depth, columns), plus a bias or plus c.
void multiply(Strided a, Index count, Index depth, const float *b, Index ldb, Index columns,
              float *c, Index ldc, const float *bias = nullptr, bool add = false) {
    Index j = 0;
    const auto offset = [&] { return bias ? bias + j : nullptr; };
    for (; j + vectors_at_once * lanes <= columns; j += vectors_at_once * lanes)
        multiply_columns<vectors_at_once>(a, count, depth, b + j, ldb, c + j, ldc, offset(), add);
    switch ((columns - j) / lanes) {
    case 3: multiply_columns<3>(a, count, depth, b + j, ldb, c + j, ldc, offset(), add); break;
    case 2: multiply_columns<2>(a, count, depth, b + j, ldb, c + j, ldc, offset(), add); break;
    case 1: multiply_columns<1>(a, count, depth, b + j, ldb, c + j, ldc, offset(), add); break;
    }
    j = columns / lanes * lanes;
    if (j == columns) return;
    // The last columns are too few for a vector.
    const Index rest = columns - j;
    const Buffer wide(lanes * (depth + count + 1));
    float *const right = wide, *const out = right + lanes * depth, *const start = out + lanes * count;
    for (Index k = 0; k < depth; k++) std::copy_n(b + k * ldb + j, rest, right + k * lanes);
    if (bias) std::copy_n(bias + j, rest, start);
    for (Index i = 0; add && i < count; i++) std::copy_n(c + i * ldc + j, rest, out + i * lanes);
    multiply_columns<1>(a, count, depth, right, lanes, out, lanes, start, add);
    for (Index i = 0; i < count; i++) std::copy_n(out + i * lanes, rest, c + i * ldc + j);
}

/// to (columns, ld) = from (rows, columns), transposed.
void transpose(const float *from, Index rows, Index columns, Index from_ld, float *to, Index ld) {
    for (Index first = 0; first < rows; first += lanes)
        for (Index j = 0; j < columns; j++)
            for (Index i = first; i < std::min(rows, first + lanes); i++)
                to[j * ld + i] = from[i * from_ld + j];
}

/// Call `whole(i)` for every vector of `size` numbers, and `single(i)` for the rest.
template <class Whole, class Single>
inline void sweep(Index size, const Whole &whole, const Single &single) {
    Index i = 0;
    for (; i + lanes <= size; i += lanes) whole(i);
    for (; i < size; i++) single(i);
}

inline float dot(const float *a, const float *b, Index size) {
    Vector sum = {};
    float rest = 0;
    sweep(
        size, [&](Index i) { sum += load(a + i) * load(b + i); },
        [&](Index i) { rest += a[i] * b[i]; });
    return total(sum) + rest;
}

/// to += factor · from
inline void add_multiple(float *to, float factor, const float *from, Index size) {
    sweep(
        size, [&](Index i) { store(to + i, load(to + i) + factor * load(from + i)); },
        [&](Index i) { to[i] += factor * from[i]; });
}

void add_rows(const float *values, Index rows, Index columns, float *sum) {
    for (Index i = 0; i < rows; i++) add_multiple(sum, 1, values + i * columns, columns);
}

struct Shape {
    Index layers, width, heads, inner, vocabulary, positions;
    double epsilon;  // of the normalisations

    Index head() const { return width / heads; }
};

/// Where parameters lie, in the order of transformers.GPT2LMHeadModel.parameters().
template <class Number> struct Parameters {
    const Shape &shape;
    Number *const start;

    struct Layer {
        Number *scale_1, *shift_1, *attend, *attend_bias, *project, *project_bias;
        Number *scale_2, *shift_2, *up, *up_bias, *down, *down_bias;
        Number *end;
    };
    Number *tokens() const { return start; }
    Number *positions() const { return start + shape.vocabulary * shape.width; }
    Layer layer(Index number) const {
        const Index width = shape.width, inner = shape.inner;
        const Index size = 9 * width + 4 * width * width + 2 * width * inner + inner;
        Number *next = positions() + shape.positions * width + number * size;
        const auto take = [&](Index count) {
            Number *const taken = next;
            next += count;
            return taken;
        };
        Layer layer;
        layer.scale_1 = take(width), layer.shift_1 = take(width);
        layer.attend = take(3 * width * width), layer.attend_bias = take(3 * width);
        layer.project = take(width * width), layer.project_bias = take(width);
        layer.scale_2 = take(width), layer.shift_2 = take(width);
        layer.up = take(width * inner), layer.up_bias = take(inner);
        layer.down = take(inner * width), layer.down_bias = take(width);
        layer.end = next;
        return layer;
    }
    Number *scale() const { return layer(shape.layers - 1).end; }
    Number *shift() const { return scale() + shape.width; }
    Index size() const { return shift() + shape.width - start; }
};

/// New tokens. Token i has the slot start + i among the keys and values, and sees the slots
/// visible[from[i]] to visible[from[i + 1] - 1]; its own is one of them.
struct Tokens {
    Index count, start;
    const Token *token, *position;
    const Index *from;
    const Token *visible;
    Index queries;
    const Token *query;
};

struct Normalised {
    float *hat, *out, *deviation;  // (rows, width), (rows, width), (rows): 1/SD
};

/// Numbers of one layer that its backward pass needs.
struct Memory {
    float *input;          // (tokens, width)
    Normalised first;      // (tokens, width)
    float *query;          // (queries, width)
    float *attention;      // (queries, heads, visible)
    float *mixed, *middle; // (queries, width)
    Normalised second;     // (queries, width)
    float *slope, *active; // (queries, inner)
};

/// A number of numbers in whole vectors.
inline Index rounded(Index size) { return (size + lanes - 1) / lanes * lanes; }

/// Numbers for up to `tokens` tokens, `queries` of which predict, and `pairs` of a token with one
/// that it sees.
class Memories {
    std::vector<float> space;

  public:
    const Index tokens, queries, pairs;
    std::vector<Memory> layers;
    float *output;      // (queries, width)
    Normalised last;    // (queries, width)
    float *transposed;  // (width, queries)
    float *logits;      // (vocabulary, queries)
    // Of the backward pass alone:
    float *keys, *values;                 // (layers, tokens, width)
    float *outer, *next;                  // (tokens, width)
    float *query, *key, *value, *narrow;  // (tokens, width)
    float *wide;                          // (tokens, inner)
    float *turned;                        // a matrix of a layer, transposed

    Memories(const Shape &shape, Index tokens, Index queries, Index pairs, bool trains)
        : tokens(tokens), queries(queries), pairs(pairs) {
        const Index width = shape.width;
        Index size = 0;
        // The first pass counts, the second divides the space.
        for (int pass = 0; pass < 2; pass++) {
            float *const start = pass ? space.data() : nullptr;
            size = 0;
            const auto take = [&](Index count) {
                const Index at = size;
                size += rounded(count);
                return start ? start + at : nullptr;
            };
            layers.clear();
            for (Index l = 0; l < shape.layers; l++) {
                const Index rows = l + 1 == shape.layers ? queries : tokens;
                Memory m;
                m.input = take(tokens * width);
                m.first = {take(tokens * width), take(tokens * width), take(tokens)};
                m.query = take(rows * width), m.attention = take(pairs * shape.heads);
                m.mixed = take(rows * width), m.middle = take(rows * width);
                m.second = {take(rows * width), take(rows * width), take(rows)};
                m.slope = take(rows * shape.inner), m.active = take(rows * shape.inner);
                layers.push_back(m);
            }
            output = take(queries * width);
            last = {take(queries * width), take(queries * width), take(queries)};
            transposed = take(width * rounded(queries));
            logits = take(shape.vocabulary * rounded(queries));
            if (trains) {
                keys = take(shape.layers * tokens * width);
                values = take(shape.layers * tokens * width);
                for (float **own : {&outer, &next, &query, &key, &value, &narrow})
                    *own = take(tokens * width);
                wide = take(tokens * shape.inner);
                turned = take(std::max(3 * width * width, width * shape.inner));
            }
            if (!pass) space.resize(size);
        }
    }
};

void normalise(const float *x, Index rows, Index width, double epsilon, const float *scale,
               const float *shift, Normalised to) {
    for (Index i = 0; i < rows; i++) {
        const float *const own = x + i * width;
        float *const hat = to.hat + i * width, *const out = to.out + i * width;
        Vector sum = {};
        float rest = 0;
        sweep(
            width, [&](Index j) { sum += load(own + j); }, [&](Index j) { rest += own[j]; });
        const float mean = (total(sum) + rest) / width;
        sweep(
            width, [&](Index j) { store(hat + j, load(own + j) - mean); },
            [&](Index j) { hat[j] = own[j] - mean; });
        const float variance = dot(hat, hat, width) / width;
        const float deviation = 1 / std::sqrt(variance + static_cast<float>(epsilon));
        to.deviation[i] = deviation;
        sweep(
            width,
            [&](Index j) {
                const Vector value = load(hat + j) * deviation;
                store(hat + j, value);
                store(out + j, value * load(scale + j) + load(shift + j));
            },
            [&](Index j) {
                hat[j] *= deviation;
                out[j] = hat[j] * scale[j] + shift[j];
            });
    }
}

/// Gradient of a normalisation's input, in place of that of its output.
void normalise_backward(float *gradient, Index rows, Index width, const float *scale,
                        Normalised from, float *scale_gradient, float *shift_gradient) {
    for (Index i = 0; i < rows; i++) {
        float *const own = gradient + i * width;
        const float *const hat = from.hat + i * width;
        Vector sum = {}, product = {};
        float rest = 0, rest_product = 0;
        sweep(
            width,
            [&](Index j) {
                const Vector value = load(own + j), place = load(hat + j);
                store(shift_gradient + j, load(shift_gradient + j) + value);
                store(scale_gradient + j, load(scale_gradient + j) + value * place);
                const Vector scaled = value * load(scale + j);
                store(own + j, scaled);
                sum += scaled;
                product += scaled * place;
            },
            [&](Index j) {
                shift_gradient[j] += own[j];
                scale_gradient[j] += own[j] * hat[j];
                own[j] *= scale[j];
                rest += own[j];
                rest_product += own[j] * hat[j];
            });
        const float mean = (total(sum) + rest) / width;
        const float slope = (total(product) + rest_product) / width;
        const float deviation = from.deviation[i];
        sweep(
            width,
            [&](Index j) {
                store(own + j, (load(own + j) - mean - load(hat + j) * slope) * deviation);
            },
            [&](Index j) { own[j] = (own[j] - mean - hat[j] * slope) * deviation; });
    }
}

/// GELU by tanh, in place, and its slope. Hendrycks & Gimpel 2016, section 2.
void activate(float *active, float *slope, Index size) {
    const float root = 0.797884560802865f, cubic = 0.044715f;  // sqrt(2/π)
    const auto whole = [&](float *x, float *derivative) {
        const Vector value = load(x), square = value * value;
        const Vector inside = root * value * (1 + cubic * square);
        const Vector odds = exponential(inside < 0 ? 2 * inside : -2 * inside);
        const Vector positive = (1 - odds) / (1 + odds);
        const Vector tangent = inside < 0 ? -positive : positive;
        store(x, 0.5f * value * (1 + tangent));
        store(derivative, 0.5f * (1 + tangent) + 0.5f * value * (1 - tangent * tangent) * root *
                                                     (1 + 3 * cubic * square));
    };
    // The space of an array ends with a whole vector.
    for (Index i = 0; i < size; i += lanes) whole(active + i, slope + i);
}

/// Softmax of `size` numbers in place; the space behind them holds a whole vector.
void softmax(float *scores, Index size) {
    const Index whole = (size + lanes - 1) / lanes * lanes;
    float largest = scores[0];
    for (Index i = 1; i < size; i++) largest = largest < scores[i] ? scores[i] : largest;
    for (Index i = size; i < whole; i++) scores[i] = -1e30f;
    Vector sum = {};
    for (Index i = 0; i < whole; i += lanes) {
        const Vector score = load(scores + i) - largest;
        // The exponential does not reach zero.
        const Vector odds = score < -87 ? Vector{} : exponential(score);
        store(scores + i, odds);
        sum += odds;
    }
    const float scale = 1 / total(sum);
    for (Index i = 0; i < whole; i += lanes) store(scores + i, load(scores + i) * scale);
}

/// The model on new tokens, up to the normalised states of the queries.
void forward(const Shape &shape, const float *start, const Tokens &tokens, float *keys,
             float *values, Index capacity, Memories &memories) {
    const Parameters<const float> parameters{shape, start};
    const Index width = shape.width, head = shape.head(), inner = shape.inner;
    const float root = 1 / std::sqrt(static_cast<float>(head));
    float *input = memories.layers[0].input;
    for (Index i = 0; i < tokens.count; i++) {
        const float *const token = parameters.tokens() + tokens.token[i] * width;
        std::copy_n(parameters.positions() + tokens.position[i] * width, width, input + i * width);
        add_multiple(input + i * width, 1, token, width);
    }
    std::vector<float> scores;
    for (Index l = 0; l < shape.layers; l++) {
        const auto layer = parameters.layer(l);
        const Memory &m = memories.layers[l];
        const bool last = l + 1 == shape.layers;
        const Index rows = last ? tokens.queries : tokens.count;
        const auto token_of = [&](Index row) { return last ? Index(tokens.query[row]) : row; };
        normalise(m.input, tokens.count, width, shape.epsilon, layer.scale_1, layer.shift_1, m.first);
        float *const key = keys + (l * capacity) * width, *const value = values + (l * capacity) * width;
        const Strided normed{m.first.out, width, 1};
        multiply(normed, tokens.count, width, layer.attend + width, 3 * width, width,
                 key + tokens.start * width, width, layer.attend_bias + width);
        multiply(normed, tokens.count, width, layer.attend + 2 * width, 3 * width, width,
                 value + tokens.start * width, width, layer.attend_bias + 2 * width);
        const float *queried = m.first.out;
        if (last) {
            for (Index i = 0; i < rows; i++)
                std::copy_n(m.first.out + token_of(i) * width, width, m.mixed + i * width);
            queried = m.mixed;
        }
        multiply({queried, width, 1}, rows, width, layer.attend, 3 * width, width, m.query, width,
                 layer.attend_bias);
        float *attention = m.attention;
        for (Index i = 0; i < rows; i++) {
            const Index token = token_of(i), seen = tokens.from[token + 1] - tokens.from[token];
            const Token *const visible = tokens.visible + tokens.from[token];
            const float *const query = m.query + i * width;
            float *const mixed = m.mixed + i * width;
            scores.resize(seen + lanes);
            std::fill_n(mixed, width, 0.0f);
            for (Index h = 0; h < shape.heads; h++) {
                for (Index s = 0; s < seen; s++)
                    scores[s] = root * dot(query + h * head, key + visible[s] * width + h * head, head);
                softmax(scores.data(), seen);
                std::copy_n(scores.data(), seen, attention);
                for (Index s = 0; s < seen; s++)
                    add_multiple(mixed + h * head, attention[s],
                                 value + visible[s] * width + h * head, head);
                attention += seen;
            }
        }
        multiply({m.mixed, width, 1}, rows, width, layer.project, width, width, m.middle, width,
                 layer.project_bias);
        for (Index i = 0; i < rows; i++)
            add_multiple(m.middle + i * width, 1, m.input + token_of(i) * width, width);
        normalise(m.middle, rows, width, shape.epsilon, layer.scale_2, layer.shift_2, m.second);
        multiply({m.second.out, width, 1}, rows, width, layer.up, inner, inner, m.active, inner,
                 layer.up_bias);
        activate(m.active, m.slope, rows * inner);
        float *const output = last ? memories.output : memories.layers[l + 1].input;
        multiply({m.active, inner, 1}, rows, inner, layer.down, width, width, output, width,
                 layer.down_bias);
        add_multiple(output, 1, m.middle, rows * width);
    }
    normalise(memories.output, tokens.queries, width, shape.epsilon, parameters.scale(),
              parameters.shift(), memories.last);
    // Queries are in vector lanes.
    const Index stride = rounded(tokens.queries);
    std::fill_n(memories.transposed, width * stride, 0.0f);
    transpose(memories.last.out, tokens.queries, width, width, memories.transposed, stride);
    multiply({parameters.tokens(), width, 1}, shape.vocabulary, width, memories.transposed, stride,
             stride, memories.logits, stride);
}

/// Predictions of a batch: the number of the query, the token and the weight.
struct Predictions {
    Index count;
    const Token *query, *target;
    const float *weight;
};

/// Weighted loss, and its gradient with respect to the logits in their place.
double cross_entropy(const Shape &shape, const Predictions &predictions, Index queries,
                     float *logits) {
    const Index stride = rounded(queries);
    std::vector<float> weight(stride), largest(logits, logits + stride), normaliser(stride);
    double loss = 0;
    for (Index p = 0; p < predictions.count; p++) {
        const Index query = predictions.query[p];
        weight[query] += predictions.weight[p];
        loss -= double(predictions.weight[p]) * logits[predictions.target[p] * stride + query];
    }
    for (Index v = 1; v < shape.vocabulary; v++)
        for (Index q = 0; q < stride; q += lanes) {
            const Vector logit = load(logits + v * stride + q), most = load(&largest[q]);
            store(&largest[q], most < logit ? logit : most);
        }
    for (Index v = 0; v < shape.vocabulary; v++)
        for (Index q = 0; q < stride; q += lanes) {
            float *const place = logits + v * stride + q;
            const Vector odds = exponential(load(place) - load(&largest[q]));
            store(place, odds);
            store(&normaliser[q], load(&normaliser[q]) + odds);
        }
    for (Index q = 0; q < queries; q++) {
        loss += weight[q] * (double(largest[q]) + std::log(double(normaliser[q])));
        normaliser[q] = weight[q] / normaliser[q];
    }
    std::fill(normaliser.begin() + queries, normaliser.end(), 0.0f);
    for (Index v = 0; v < shape.vocabulary; v++)
        for (Index q = 0; q < stride; q += lanes) {
            float *const place = logits + v * stride + q;
            store(place, load(place) * load(&normaliser[q]));
        }
    for (Index p = 0; p < predictions.count; p++)
        logits[predictions.target[p] * stride + predictions.query[p]] -= predictions.weight[p];
    return loss;
}

/// Add the gradient of a batch whose logits have been replaced by their gradients.
void backward(const Shape &shape, const float *start, const Tokens &tokens, Memories &memories,
              float *gradient_start) {
    const Parameters<const float> parameters{shape, start};
    const Parameters<float> gradients{shape, gradient_start};
    const Index width = shape.width, head = shape.head(), inner = shape.inner;
    const Index count = tokens.count, queries = tokens.queries;
    const Index stride = rounded(queries);
    const float root = 1 / std::sqrt(static_cast<float>(head));
    float *outer = memories.outer, *next = memories.next;
    float *const query = memories.query, *const key = memories.key, *const value = memories.value;
    float *const wide = memories.wide, *const narrow = memories.narrow;
    float *const turned = memories.turned;

    multiply({memories.logits, 1, stride}, queries, shape.vocabulary, parameters.tokens(), width,
             width, outer, width);
    multiply({memories.logits, stride, 1}, shape.vocabulary, queries, memories.last.out, width,
             width, gradients.tokens(), width, nullptr, true);
    normalise_backward(outer, queries, width, parameters.scale(), memories.last, gradients.scale(),
                       gradients.shift());
    std::vector<float> slopes;
    for (Index l = shape.layers - 1; l >= 0; l--) {
        const auto layer = parameters.layer(l);
        const auto gradient = gradients.layer(l);
        const Memory &m = memories.layers[l];
        const bool last = l + 1 == shape.layers;
        const Index rows = last ? queries : count;
        const auto token_of = [&](Index row) { return last ? Index(tokens.query[row]) : row; };

        transpose(layer.down, inner, width, width, turned, inner);
        multiply({outer, width, 1}, rows, width, turned, inner, inner, wide, inner);
        multiply({m.active, 1, inner}, inner, rows, outer, width, width, gradient.down, width,
                 nullptr, true);
        add_rows(outer, rows, width, gradient.down_bias);
        sweep(
            rows * inner, [&](Index i) { store(wide + i, load(wide + i) * load(m.slope + i)); },
            [&](Index i) { wide[i] *= m.slope[i]; });
        transpose(layer.up, width, inner, inner, turned, width);
        multiply({wide, inner, 1}, rows, inner, turned, width, width, narrow, width);
        multiply({m.second.out, 1, width}, width, rows, wide, inner, inner, gradient.up, inner,
                 nullptr, true);
        add_rows(wide, rows, inner, gradient.up_bias);
        normalise_backward(narrow, rows, width, layer.scale_2, m.second, gradient.scale_2,
                           gradient.shift_2);
        add_multiple(outer, 1, narrow, rows * width);

        transpose(layer.project, width, width, width, turned, width);
        multiply({outer, width, 1}, rows, width, turned, width, width, narrow, width);
        multiply({m.mixed, 1, width}, width, rows, outer, width, width, gradient.project, width,
                 nullptr, true);
        add_rows(outer, rows, width, gradient.project_bias);

        std::fill_n(query, rows * width, 0.0f);
        std::fill_n(key, count * width, 0.0f);
        std::fill_n(value, count * width, 0.0f);
        const float *const all_keys = memories.keys + l * memories.tokens * width;
        const float *const all_values = memories.values + l * memories.tokens * width;
        const float *attention = m.attention;
        for (Index i = 0; i < rows; i++) {
            const Index token = token_of(i), seen = tokens.from[token + 1] - tokens.from[token];
            const Token *const visible = tokens.visible + tokens.from[token];
            slopes.resize(seen);
            for (Index h = 0; h < shape.heads; h++) {
                const float *const mixed = narrow + i * width + h * head;
                const float *const own = m.query + i * width + h * head;
                float mean = 0;
                for (Index s = 0; s < seen; s++) {
                    slopes[s] = dot(mixed, all_values + visible[s] * width + h * head, head);
                    mean += attention[s] * slopes[s];
                }
                for (Index s = 0; s < seen; s++) {
                    const Index place = visible[s] * width + h * head;
                    const float slope = root * attention[s] * (slopes[s] - mean);
                    add_multiple(query + i * width + h * head, slope, all_keys + place, head);
                    add_multiple(key + place, slope, own, head);
                    add_multiple(value + place, attention[s], mixed, head);
                }
                attention += seen;
            }
        }
        const float *queried = m.first.out;
        if (last) {
            for (Index i = 0; i < rows; i++)
                std::copy_n(m.first.out + token_of(i) * width, width, narrow + i * width);
            queried = narrow;
        }
        add_rows(query, rows, width, gradient.attend_bias);
        add_rows(key, count, width, gradient.attend_bias + width);
        add_rows(value, count, width, gradient.attend_bias + 2 * width);
        multiply({queried, 1, width}, width, rows, query, width, width, gradient.attend, 3 * width,
                 nullptr, true);
        multiply({m.first.out, 1, width}, width, count, key, width, width, gradient.attend + width,
                 3 * width, nullptr, true);
        multiply({m.first.out, 1, width}, width, count, value, width, width,
                 gradient.attend + 2 * width, 3 * width, nullptr, true);
        transpose(layer.attend, width, 3 * width, 3 * width, turned, width);
        multiply({key, width, 1}, count, width, turned + width * width, width, width, next, width);
        multiply({value, width, 1}, count, width, turned + 2 * width * width, width, width, next,
                 width, nullptr, true);
        multiply({query, width, 1}, rows, width, turned, width, width, narrow, width);
        for (Index i = 0; i < rows; i++)
            add_multiple(next + token_of(i) * width, 1, narrow + i * width, width);
        normalise_backward(next, count, width, layer.scale_1, m.first, gradient.scale_1,
                           gradient.shift_1);
        for (Index i = 0; i < rows; i++)
            add_multiple(next + token_of(i) * width, 1, outer + i * width, width);
        std::swap(outer, next);
    }
    for (Index i = 0; i < count; i++) {
        add_multiple(gradients.tokens() + tokens.token[i] * width, 1, outer + i * width, width);
        add_multiple(gradients.positions() + tokens.position[i] * width, 1, outer + i * width, width);
    }
}

/// Loshchilov & Hutter 2019, algorithm 2.
void adamw(float *__restrict parameters, float *__restrict first, float *__restrict second,
           const float *__restrict gradient, Index size, float scale, double learning_rate,
           double decay, const double *betas, Index step) {
    const float rate = learning_rate / (1 - std::pow(betas[0], step));
    const float root = 1 / std::sqrt(1 - std::pow(betas[1], step));
    const float kept = 1 - learning_rate * decay, one = betas[0], two = betas[1];
    for (Index i = 0; i < size; i++) {
        const float slope = gradient[i] * scale;
        first[i] += (1 - one) * (slope - first[i]);
        second[i] = two * second[i] + (1 - two) * (slope * slope);
        parameters[i] = kept * parameters[i] - rate * first[i] / (std::sqrt(second[i]) * root + 1e-8f);
    }
}

}  // namespace

/// Shape of a model, from Python.
struct GivenShape {
    Index layers, width, heads, inner, vocabulary, positions;
    double epsilon;
};

/// Packed rows, one after the other: tokens and predictions of row r lie from `token_from[r]` and
/// `prediction_from[r]` on, what token t sees, as numbers within its row, from `visible_from[t]` on.
/// The first query of row r is its token `first[r]`; all later tokens are queries too.
struct GivenRows {
    const Index *token_from, *prediction_from, *visible_from;
    const Token *token, *position, *visible, *first;
    const Token *query, *target;
    const float *weight;
};

/// Train a model in place by AdamW, `steps` steps of `size` rows each.
///
/// order (steps, size); moments (2, parameters), zero at first; done: steps before these;
/// losses (steps): mean weighted negative log-probability.
extern "C" void kduq_gpt2_train(const GivenShape *given, float *parameters, float *moments,
                                const GivenRows *rows, const Token *order, Index steps, Index size,
                                Index tokens_at_once, Index done, const double *learning_rates,
                                double weight_decay, double clip, const double *betas,
                                double *losses) {
    const Shape shape{given->layers,     given->width,     given->heads,  given->inner,
                      given->vocabulary, given->positions, given->epsilon};
    const Parameters<float> all{shape, parameters};
    const Index parameters_size = all.size();
    const Buffer gradient(parameters_size);
    std::unique_ptr<Memories> memories;

    // A part of a batch, whose rows are one after the other.
    struct Part {
        std::vector<Token> token, position, visible, query, predicting, target;
        std::vector<Index> from;
        std::vector<float> weight;
    };
    const auto count_of = [&](Index row) { return rows->token_from[row + 1] - rows->token_from[row]; };
    const auto collect = [&](const Token *first, const Token *end, double total) {
        Part part;
        part.from.push_back(0);
        for (const Token *next = first; next < end; next++) {
            const Index row = *next, start = rows->token_from[row];
            const Token offset = part.token.size();
            const Token queries = part.query.size();
            for (Index t = start; t < rows->token_from[row + 1]; t++) {
                part.token.push_back(rows->token[t]);
                part.position.push_back(rows->position[t]);
                for (Index s = rows->visible_from[t]; s < rows->visible_from[t + 1]; s++)
                    part.visible.push_back(offset + rows->visible[s]);
                part.from.push_back(part.visible.size());
                if (t - start >= rows->first[row]) part.query.push_back(offset + (t - start));
            }
            for (Index p = rows->prediction_from[row]; p < rows->prediction_from[row + 1]; p++) {
                part.predicting.push_back(queries + rows->query[p] - rows->first[row]);
                part.target.push_back(rows->target[p]);
                part.weight.push_back(rows->weight[p] / total);
            }
        }
        return part;
    };
    for (Index step = 0; step < steps; step++) {
        const Token *next = order + step * size, *const end = next + size;
        std::memset(gradient, 0, 4 * parameters_size);
        double total = 0, loss = 0;
        for (const Token *row = next; row < end; row++)
            for (Index p = rows->prediction_from[*row]; p < rows->prediction_from[*row + 1]; p++)
                total += rows->weight[p];
        while (next < end) {
            const Token *stop = next;
            Index tokens = 0;
            while (stop < end && (stop == next || tokens + count_of(*stop) <= tokens_at_once))
                tokens += count_of(*stop++);
            const Part part = collect(next, stop, total);
            next = stop;
            const Tokens batch{static_cast<Index>(part.token.size()),
                               0,
                               part.token.data(),
                               part.position.data(),
                               part.from.data(),
                               part.visible.data(),
                               static_cast<Index>(part.query.size()),
                               part.query.data()};
            const Index pairs = part.visible.size();
            if (!memories || memories->tokens < batch.count || memories->queries < batch.queries ||
                memories->pairs < pairs)
                memories.reset(new Memories(shape, batch.count + batch.count / 4,
                                            batch.queries + batch.queries / 4, pairs + pairs / 4,
                                            true));
            forward(shape, parameters, batch, memories->keys, memories->values, memories->tokens,
                    *memories);
            const Predictions predictions{static_cast<Index>(part.target.size()),
                                          part.predicting.data(), part.target.data(),
                                          part.weight.data()};
            loss += cross_entropy(shape, predictions, batch.queries, memories->logits);
            backward(shape, parameters, batch, *memories, gradient);
        }
        losses[step] = loss;
        double square = 0;
        for (Index i = 0; i < parameters_size; i += 4096) {
            const Index size = std::min<Index>(4096, parameters_size - i);
            square += dot(gradient + i, gradient + i, size);
        }
        // Written so that NaN is kept.
        const double ratio = clip / (std::sqrt(square) + 1e-6);
        const float scale = ratio >= 1 ? 1 : ratio;
        const auto update = [&](float *start, Index count, bool matrix) {
            const Index at = start - parameters;
            adamw(start, moments + at, moments + parameters_size + at, gradient + at, count, scale,
                  learning_rates[step], matrix ? weight_decay : 0, betas, done + step + 1);
        };
        const Index width = shape.width, inner = shape.inner;
        update(all.tokens(), (shape.vocabulary + shape.positions) * width, true);
        for (Index l = 0; l < shape.layers; l++) {
            const auto layer = all.layer(l);
            update(layer.scale_1, 2 * width, false);
            update(layer.attend, 3 * width * width, true);
            update(layer.attend_bias, 3 * width, false);
            update(layer.project, width * width, true);
            update(layer.project_bias, 3 * width, false);
            update(layer.up, width * inner, true);
            update(layer.up_bias, inner, false);
            update(layer.down, inner * width, true);
            update(layer.down_bias, width, false);
        }
        update(all.scale(), 2 * width, false);
    }
}

/// Logits (queries, vocabulary) of new tokens, whose keys and values (layers, capacity, width) are
/// added to those of the tokens that they see.
extern "C" void kduq_gpt2_extend(const GivenShape *given, const float *parameters, Index count,
                                 Index start, const Token *token, const Token *position,
                                 const Index *from, const Token *visible, Index queries,
                                 const Token *query, float *keys, float *values, Index capacity,
                                 float *logits) {
    const Shape shape{given->layers,     given->width,     given->heads,  given->inner,
                      given->vocabulary, given->positions, given->epsilon};
    const Tokens tokens{count, start, token, position, from, visible, queries, query};
    Memories memories(shape, count, queries, from[count], false);
    forward(shape, parameters, tokens, keys, values, capacity, memories);
    transpose(memories.logits, shape.vocabulary, queries, rounded(queries), logits,
              shape.vocabulary);
}
