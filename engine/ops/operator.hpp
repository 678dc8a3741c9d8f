// What an operator is to the rest of the engine: its names, its shape rule, and how it records itself. The table of
// all operators is operators.cpp; the model loader, the session, the single-operator call and the cases read it.
#pragma once

#include "base/json.hpp"
#include "ops/norm.hpp"
#include "ops/pointwise.hpp"
#include "ops/recorder.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gramian {

/// The attributes of a node or a call, with defaults and checks. Errors name the operator and the attribute.
class Attributes {
public:
    /// `object`: a JSON object. Errors carry `status`; `where` leads every message.
    Attributes(Json object, std::string where, Status status = Status::invalid_argument);

    [[nodiscard]] const std::string& where() const { return where_; }
    [[nodiscard]] Status status() const { return status_; }
    [[nodiscard]] bool has(std::string_view name) const { return object_.contains(name); }
    [[nodiscard]] std::vector<std::string> names() const;
    double number(std::string_view name, double otherwise, double least, double most) const;
    [[nodiscard]] uint32_t count(std::string_view name, uint32_t otherwise, uint32_t least, uint32_t most) const;
    [[nodiscard]] bool flag(std::string_view name, bool otherwise) const;
    /// The position of the value among the known ones.
    uint32_t choice(std::string_view name, std::span<const std::string_view> known,
                    std::optional<uint32_t> otherwise) const;
    /// An array of exactly `size` finite numbers.
    [[nodiscard]] std::vector<float> numbers(std::string_view name, uint32_t size) const;
    [[nodiscard]] std::vector<double> doubles(std::string_view name, uint32_t size) const;
    /// An array of whole numbers of at least 1.
    [[nodiscard]] std::vector<uint32_t> counts(std::string_view name) const;
    /// Throws unsupported unless the attribute is absent or has this value: for what this version does not do.
    void only(std::string_view name, const Json& value) const;

private:
    Json object_;
    std::string where_;
    Status status_;
};

/// Tensors by port name, in the order they were added.
class Tensors {
public:
    void add(std::string name, Tensor tensor) { entries_.push_back({std::move(name), tensor}); }
    [[nodiscard]] const Tensor* find(std::string_view name) const;
    [[nodiscard]] const Tensor& at(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }

    struct Entry {
        std::string name;
        Tensor tensor;
    };
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    [[nodiscard]] const Tensor& first() const { return entries_.front().tensor; }

private:
    std::vector<Entry> entries_;
};

struct Port {
    std::string_view name;
    bool is_optional = false;
    bool is_constant = false; // a weight of the node: lives in the weights arena
    /// Reorders a constant for the kernel; its shape stays the public one.
    std::vector<float> (*pack)(std::span<const float>, const Shape&) = nullptr;
    bool is_nonnegative = false; // a constant with a negative element is refused
    bool is_variadic = false;    // any number of tensors, in order; a single call names them x0, x1, …
    /// Where given: the port exists only if this attribute, false by default, has this value.
    std::string_view flag;
    bool flag_value = true;
    /// Where given: the values are row numbers of this constant, and anything else is refused before it runs.
    std::string_view indexes;
    /// The kernel that reads this constant where it is kept in halves; null: none does. See half_weights.hpp.
    const Shader* halves = nullptr;

    [[nodiscard]] bool exists(const Attributes& attributes) const
    {
        return flag.empty() || attributes.flag(flag, false) == flag_value;
    }
};

/// Values that an operator derives from its attributes and keeps in the weights arena.
struct Constant {
    std::string name;
    std::vector<float> values;
};

/// A tensor of one stream that a node keeps between calls.
struct StateShape {
    std::string name;
    Shape shape;
    bool is_sum = false; // over what was observed: the sums of two streams add up to those of both
    float initial = 0;   // every element, before the first token
};

/// How a node with a context input splits: `observe` writes what it is shown, `solve` settles it, `read` answers.
/// Sequences are [slots, T, H, D]; states [streams, …].
struct ContextOps {
    std::vector<std::string_view> written; // input ports of the write half; the others are read
    std::vector<StateShape> (*states)(const Attributes&, const Tensors& in);
    void (*observe)(Recorder&, const Attributes&, const Tensors& in, const Tensors& states, const SlotMap&);
    /// Null where writing leaves nothing open. report: [slots, H, 8].
    void (*solve)(Recorder&, const Attributes&, const Tensors& in, const Tensors& states, const Tensor& report,
                  const SlotMap&);
    /// out: the operator's outputs, and those of its extras that the node names.
    void (*read)(Recorder&, const Attributes&, const Tensors& in, const Tensors& states, const Tensors& out,
                 const SlotMap&);
    /// Pairs that a stream can keep, or 0: no limit.
    uint32_t (*capacity)(const Attributes&) = nullptr;
};

/// How a node carries its state from token to token. Sequences are [slots, T, H, D], or [slots, T, C] for operators on
/// sequences; states [streams, …]. The map says which stream a slot is and how many of the T tokens it has: further
/// tokens and idle slots leave every state as it is, and their outputs are never read.
struct RecurrentOps {
    std::vector<StateShape> (*states)(const Attributes&, const Tensors& in);
    void (*record)(Recorder&, const Attributes&, const Tensors& in, const Tensors& states, const Tensors& out,
                   const SlotMap&);
    /// Tokens that a stream can take, or 0: no limit.
    uint32_t (*capacity)(const Attributes&) = nullptr;
};

enum class Layout : uint8_t {
    rows,      // x: [rows, C]; a node works on the vector of each token
    sequences, // x: [B, T, C]; a node works on the vectors of all tokens
    heads,     // [B, T, H, D]; a node cuts the vector of each token into H blocks
    batch,     // matrices: not a node
};

struct Operator {
    std::string_view name;
    Layout layout = Layout::rows;
    std::vector<Port> inputs;
    std::vector<std::string_view> outputs;
    std::vector<std::string_view> extras = {}; // outputs that a node may name besides, one number a head
    std::vector<std::string_view> attributes;
    /// Output shapes from input shapes. Throws invalid_argument or unsupported.
    std::vector<std::pair<std::string, Shape>> (*infer)(const Attributes&, const Tensors& in);
    void (*record)(Recorder&, const Attributes&, const Tensors& in, const Tensors& out);
    std::vector<Constant> (*constants)(const Attributes&, const Tensors& in) = nullptr;
    const ContextOps* context = nullptr;
    const RecurrentOps* recurrent = nullptr;
    /// What a launch of linear layers may take over (linear.hpp, session/fusion.hpp): the layers, constants `weight`
    /// and `bias`; a norm of their input, with constants of those names, where it is one of whole tokens; pointwise
    /// functions of their output.
    bool is_linear = false;
    std::optional<NormForm> (*norm)(const Attributes&) = nullptr;
    Activation (*activation)(const Attributes&) = nullptr;
    PairForm (*pair)(const Attributes&) = nullptr;
    bool makes_index = false; // its output is a whole number below the width of its first input

    [[nodiscard]] const Port* input(std::string_view port) const;
};

/// The table. Names are unique.
const std::vector<Operator>& operators();
/// nullptr when there is no operator of this name.
const Operator* find_operator(std::string_view name);
/// "linear, activation, …"
std::string operator_names();
/// Throws (with the attributes' status) on an attribute that the operator does not know.
void check_attribute_names(const Operator& op, const Attributes& attributes);

} // namespace gramian
