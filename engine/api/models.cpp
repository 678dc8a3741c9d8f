// The C API: models.
#include "api/guard.hpp"
#include "base/file.hpp"

using namespace gramian;

namespace {

std::string model_json(const Model& model)
{
    Json json = model.description();
    json["parameter_count"] = model.parameter_count();
    json["half_parameter_count"] = model.half_parameter_count();
    json["weight_bytes"] = model.weight_bytes();
    json["fingerprint"] = fmt::format("{:016x}", model.fingerprint());
    json["has_context"] = model.has_context();
    json["capacity"] = model.capacity();
    json["token_capacity"] = model.token_capacity();
    json["golden_tokens"] = model.golden().tokens;
    json["values"] = Json::array();
    for (const Value& value : model.values()) {
        json["values"].push_back({{"name", value.name}, {"size", value.size}, {"needs_context", value.needs_context}});
    }
    return json.dump();
}

} // namespace

gramian_status gramian_model_load(gramian_device* device, const char* path, gramian_model** model)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(path, "path");
        require_pointer(model, "model");
        auto loaded = std::make_shared<Model>(Model::load(*device->device, path));
        *model = new gramian_model{device->device, loaded, model_json(*loaded)};
    });
}

gramian_status gramian_model_parse(gramian_device* device, const void* bytes, size_t byte_count, const char* name,
                                   gramian_model** model)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(bytes, "bytes");
        require_pointer(model, "model");
        const auto* first = static_cast<const std::byte*>(bytes);
        auto parsed =
            std::make_shared<Model>(Model::parse(*device->device, {first, first + byte_count}, name ? name : "model"));
        *model = new gramian_model{device->device, parsed, model_json(*parsed)};
    });
}

const char* gramian_model_json(const gramian_model* model)
{
    return model ? model->json.c_str() : "";
}

void gramian_model_destroy(gramian_model* model)
{
    delete model;
}
