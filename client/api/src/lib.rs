//! What a face of Talaria asks for and is told, as types without protocol or sockets.
