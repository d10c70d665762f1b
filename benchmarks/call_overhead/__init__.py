"""What a call costs through Toolcrib, beside one bare hop and beside other Python gateways."""
