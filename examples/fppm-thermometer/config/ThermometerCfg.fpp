@! begin config description
How often the thermometer is read.
@! end config description

module Acme {
  constant THERMOMETER_SECONDS = {{ cookiecutter.SECONDS }}
}
