// The table of operators itself.
#include "ops/operator.hpp"

#include "checks.hpp"
#include <algorithm>
#include <set>

using namespace gramian;

namespace {

template <class Names>
bool are_unique(const Names& names)
{
    return std::set<std::string_view>(names.begin(), names.end()).size() == names.size();
}

} // namespace

TEST_CASE("operators: every name is unique and is found")
{
    std::vector<std::string_view> names;
    for (const Operator& op : operators()) {
        names.push_back(op.name);
        CHECK(find_operator(op.name) == &op);
        CHECK(operator_names().find(op.name) != std::string::npos);
    }
    CHECK(names.size() >= 12);
    CHECK(are_unique(names));
    CHECK(find_operator("") == nullptr);
    CHECK(find_operator("Linear") == nullptr);
}

TEST_CASE("operators: ports, outputs and attributes have names, each once")
{
    for (const Operator& op : operators()) {
        CAPTURE(std::string(op.name));
        std::vector<std::string_view> ports;
        for (const Port& port : op.inputs) {
            CHECK_FALSE(port.name.empty());
            CHECK(op.input(port.name) == &port);
            ports.push_back(port.name);
        }
        CHECK(are_unique(ports));
        CHECK(are_unique(op.outputs));
        CHECK(are_unique(op.attributes));
        CHECK_FALSE((op.inputs.empty() && op.layout != Layout::batch)); // a node works on something
        CHECK_FALSE(op.outputs.empty());
        CHECK(op.input("no such port") == nullptr);
        for (std::string_view attribute : op.attributes) CHECK_FALSE(attribute.empty());
        const bool has_heads = std::find(op.attributes.begin(), op.attributes.end(), "heads") != op.attributes.end();
        CHECK_FALSE((has_heads && op.layout == Layout::heads)); // there it is the node's own
    }
}

TEST_CASE("operators: required values come before optional ones, so that a list of inputs is unambiguous")
{
    for (const Operator& op : operators()) {
        CAPTURE(std::string(op.name));
        if (op.layout == Layout::batch) continue; // no node: its inputs come by name only
        bool optional_seen = false;
        for (const Port& port : op.inputs) {
            if (port.is_constant) continue;
            CHECK_FALSE((optional_seen && !port.is_optional));
            optional_seen = optional_seen || port.is_optional;
        }
    }
}

TEST_CASE("operators: each has a shape rule and a way to record itself, and only constants are packed")
{
    for (const Operator& op : operators()) {
        CAPTURE(std::string(op.name));
        CHECK((op.infer != nullptr));
        CHECK((op.record != nullptr));
        for (const Port& port : op.inputs) CHECK((port.pack == nullptr || port.is_constant));
        if (!op.context) continue;
        CHECK(op.layout == Layout::heads);
        CHECK((op.context->states != nullptr));
        CHECK((op.context->observe != nullptr));
        CHECK((op.context->read != nullptr));
        CHECK(op.outputs.size() == 1);
        CHECK(are_unique(op.context->written));
        for (std::string_view written : op.context->written) CHECK(op.input(written) != nullptr);
        // What is neither written nor constant is read; without it there would be nothing to answer.
        CHECK(std::any_of(op.inputs.begin(), op.inputs.end(), [&](const Port& port) {
            const auto& all = op.context->written;
            return !port.is_constant && std::find(all.begin(), all.end(), port.name) == all.end();
        }));
    }
}
