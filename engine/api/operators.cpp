// The C API: single operators.
#include "api/guard.hpp"
#include "ops/run_operator.hpp"

using namespace gramian;

gramian_status gramian_operator_run(gramian_device* device, const char* name, const char* attributes,
                                    const gramian_tensors* inputs, gramian_tensors** outputs)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(name, "name");
        require_pointer(inputs, "inputs");
        require_pointer(outputs, "outputs");
        const Json parsed =
            attributes ? parse_json(attributes, "attributes", Status::invalid_argument) : Json::object();
        *outputs = new gramian_tensors{run_operator(*device->device, name, parsed, inputs->arrays).outputs, {}};
    });
}

const char* gramian_operators_json(void)
{
    static const std::string text = [] {
        Json table = Json::array();
        for (const Operator& op : operators()) {
            Json inputs = Json::array();
            for (const Port& port : op.inputs) {
                inputs.push_back({{"name", port.name}, {"optional", port.is_optional}, {"constant", port.is_constant}});
            }
            table.push_back(
                {{"name", op.name}, {"inputs", inputs}, {"outputs", op.outputs}, {"attributes", op.attributes}});
        }
        return table.dump();
    }();
    return text.c_str();
}
